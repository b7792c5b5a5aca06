import assert from "node:assert/strict";
import { RefusedError } from "../common/port.ts";
import { STRANGER } from "../targets/target.ts";
import { messagesOf, payloadsOf, type Scenario, settle, until } from "./trial.ts";

const KEPT = { cleanStart: false, sessionExpiry: 600 };

/** Logins, sessions that outlive their connections, and wills. */
export const SESSIONS: readonly Scenario[] = [
  {
    name: "a wrong password is refused",
    versions: [4, 5],
    async run(trial) {
      await trial.connect("right");
      for (const login of [{ password: "wrong" }, { username: "nobody" }]) {
        const code = await trial.connect("wrong", login).then(
          () => 0,
          (error) => (error instanceof RefusedError ? error.reasonCode : Promise.reject(error)),
        );
        const allowed = trial.version === 5 ? [0x86, 0x87] : [4, 5];
        assert.ok(allowed.includes(code), `refused with ${code}`);
      }
    },
  },
  {
    name: "a user who may do nothing connects, and gets nothing",
    versions: [4, 5],
    async run(trial) {
      const stranger = await trial.connect("stranger", STRANGER);
      const [code = 0] = await stranger.subscribe([{ filter: trial.topic("#"), qos: 1 }]);
      if (trial.target.name === "weir") assert.equal(code, trial.version === 5 ? 0x87 : 0x80);
      const watch = await trial.connect("watch");
      await watch.subscribe([{ filter: trial.topic("#"), qos: 1 }]);
      const sender = await trial.connect("sender");
      await sender.publish({ topic: trial.topic("a"), payload: "1", qos: 1 });
      await messagesOf(watch, 1);
      assert.deepEqual(stranger.messages, []);
    },
  },
  {
    name: "a session keeps subscriptions and messages while its client is away",
    versions: [4, 5],
    async run(trial) {
      const topic = trial.topic("readings/level");
      const first = await trial.connect("away", KEPT);
      assert.equal(first.connack.sessionPresent, false);
      await first.subscribe([{ filter: topic, qos: 2 }]);
      await first.close();
      const sender = await trial.connect("sender");
      for (let i = 0; i < 10; i++) await sender.publish({ topic, payload: `${i}`, qos: i % 2 === 0 ? 1 : 2 });
      const second = await trial.connect("away", KEPT);
      assert.equal(second.connack.sessionPresent, true);
      await messagesOf(second, 10);
      await second.cut();
      await until(() => second.closed !== undefined, "the broken connection");
      await sender.publish({ topic, payload: "while broken", qos: 2 });
      const third = await trial.connect("away", KEPT);
      assert.equal(third.connack.sessionPresent, true);
      // With QoS 2 it may be later than a message of QoS 1 that was sent after it.
      await until(() => payloadsOf(third.messages).includes("while broken"), "the message from while it was broken");
      await settle(sender, third, topic);
      const all = [...new Set(payloadsOf([...second.messages, ...third.messages]))];
      // The order holds for the messages of one QoS.
      const numbers = all.filter((text) => /^\d+$/.test(text));
      const [ones, twos] = [0, 1].map((odd) => numbers.filter((text) => Number(text) % 2 === odd));
      assert.deepEqual(
        [ones, twos],
        [
          ["0", "2", "4", "6", "8"],
          ["1", "3", "5", "7", "9"],
        ],
      );
      await third.close();
      const clean = await trial.connect("away", { cleanStart: true });
      assert.equal(clean.connack.sessionPresent, false);
      await sender.publish({ topic, payload: "not subscribed", qos: 1 });
      await clean.subscribe([{ filter: topic, qos: 1 }]);
      await settle(sender, clean, topic);
      assert.equal(clean.messages.length, 1);
    },
  },
  {
    name: "a session without an expiry ends with its connection",
    versions: [5],
    async run(trial) {
      const topic = trial.topic("readings/level");
      const first = await trial.connect("away", { cleanStart: false });
      await first.subscribe([{ filter: topic, qos: 1 }]);
      await first.close();
      const second = await trial.connect("away", { cleanStart: false });
      assert.equal(second.connack.sessionPresent, false);
    },
  },
  {
    name: "a session ends after its expiry, and its will is sent then at the latest",
    versions: [5],
    async run(trial) {
      const watch = await trial.connect("watch");
      await watch.subscribe([{ filter: trial.topic("will"), qos: 1 }]);
      const will = { topic: trial.topic("will"), payload: "gone", qos: 1, delay: 600 } as const;
      const first = await trial.connect("away", { cleanStart: false, sessionExpiry: 1, will });
      await first.subscribe([{ filter: trial.topic("a"), qos: 1 }]);
      await first.cut();
      await messagesOf(watch, 1);
      const second = await trial.connect("away", { cleanStart: false, sessionExpiry: 1 });
      assert.equal(second.connack.sessionPresent, false);
    },
  },
  {
    name: "a broken connection sends the will, a closed one does not",
    versions: [4, 5],
    async run(trial) {
      const watch = await trial.connect("watch");
      await watch.subscribe([{ filter: trial.topic("will/+"), qos: 2 }]);
      const will = (name: string) =>
        ({ topic: trial.topic(`will/${name}`), payload: `${name} is gone`, qos: 1 }) as const;
      const closes = await trial.connect("closes", { will: will("closes") });
      await closes.close();
      const breaks = await trial.connect("breaks", { will: { ...will("breaks"), retain: true } });
      await breaks.cut();
      const [got] = await messagesOf(watch, 1);
      assert.deepEqual([got?.payload, got?.qos], ["breaks is gone", 1]);
      const late = await trial.connect("late");
      await late.subscribe([{ filter: trial.topic("will/+"), qos: 1 }]);
      assert.deepEqual(payloadsOf(await messagesOf(late, 1)), ["breaks is gone"]);
      await late.publish({ topic: trial.topic("will/breaks"), payload: "", qos: 1, retain: true });
      await settle(late, watch, trial.topic("will/last"));
      assert.ok(!payloadsOf(watch.messages).includes("closes is gone"));
    },
  },
  {
    name: "a delayed will is not sent when its client comes back, and has its properties when it does not",
    versions: [5],
    async run(trial) {
      const watch = await trial.connect("watch");
      await watch.subscribe([{ filter: trial.topic("will/+"), qos: 2 }]);
      const properties = { contentType: "text/plain", userProperties: [["by", "will"]] } as const;
      const will = (name: string) =>
        ({ topic: trial.topic(`will/${name}`), payload: name, qos: 2, delay: 1, properties }) as const;
      const returns = await trial.connect("returns", { ...KEPT, will: { ...will("returns"), delay: 3 } });
      await returns.cut();
      await until(() => returns.closed !== undefined, "the broken connection");
      const back = await trial.connect("returns", KEPT);
      const stays = await trial.connect("stays-away", { ...KEPT, will: will("stays-away") });
      await stays.cut();
      const [got] = await messagesOf(watch, 1);
      assert.equal(got?.payload, "stays-away");
      const { contentType: _, ...withoutType } = properties;
      assert.deepEqual(got?.properties, trial.has("content type of wills") ? properties : withoutType);
      // Longer than the delay of the first one, by the broker's own clock.
      const last = await trial.connect("last", { ...KEPT, will: { ...will("last"), delay: 3 } });
      await last.cut();
      await messagesOf(watch, 2);
      assert.deepEqual(payloadsOf(watch.messages), ["stays-away", "last"]);
      await back.close();
    },
  },
  {
    name: "a second connection of a client id takes over",
    versions: [4, 5],
    async run(trial) {
      const first = await trial.connect("same", KEPT);
      await first.subscribe([{ filter: trial.topic("a"), qos: 1 }]);
      const second = await trial.connect("same", KEPT);
      assert.equal(second.connack.sessionPresent, true);
      await until(() => first.closed !== undefined, "the end of the first connection");
      // Mosquitto says it only to some.
      const says = trial.version === 5 && trial.has("reason code of disconnect") && trial.target.name === "weir";
      if (says) assert.equal(first.closed?.reasonCode, 0x8e);
      const sender = await trial.connect("sender");
      await settle(sender, second, trial.topic("a"));
    },
  },
  {
    name: "a client without an id gets one",
    versions: [5],
    needs: ["empty client id"],
    async run(trial) {
      const [one, two] = [await trial.connect("", { clientId: "" }), await trial.connect("", { clientId: "" })];
      assert.ok(one.connack.assignedClientId, "no assigned client id");
      assert.notEqual(one.connack.assignedClientId, two.connack.assignedClientId);
    },
  },
  {
    name: "the library connects again by itself, and its session goes on",
    versions: [4, 5],
    needs: ["reconnects"],
    async run(trial) {
      const topic = trial.topic("readings/level");
      const receiver = await trial.connect("receiver", { ...KEPT, reconnects: true });
      await receiver.subscribe([{ filter: topic, qos: 1 }]);
      const sender = await trial.connect("sender");
      for (let i = 1; i <= 3; i++) {
        await sender.publish({ topic, payload: `before ${i}`, qos: 1 });
        await receiver.cut();
        await sender.publish({ topic, payload: `after ${i}`, qos: 1 });
        await until(() => receiver.connects === i + 1, `connection ${i + 1}`);
        assert.equal(receiver.connack.sessionPresent, true);
      }
      await settle(sender, receiver, topic);
      const got = new Set(payloadsOf(receiver.messages));
      for (let i = 1; i <= 3; i++) assert.ok(got.has(`before ${i}`) && got.has(`after ${i}`), [...got].join(", "));
    },
  },
];
