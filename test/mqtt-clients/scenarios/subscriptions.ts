import assert from "node:assert/strict";
import { isSuccess, messagesOf, payloadsOf, type Scenario, settle, until } from "./trial.ts";

/** Retained messages, options of subscriptions, and shared ones. */
export const SUBSCRIPTIONS: readonly Scenario[] = [
  {
    name: "a retained message reaches a later subscriber until it is cleared",
    versions: [4, 5],
    async run(trial) {
      const topic = trial.topic("state/lamp");
      const sender = await trial.connect("sender");
      const early = await trial.connect("early");
      await early.subscribe([{ filter: topic, qos: 1 }]);
      await sender.publish({ topic, payload: "off", qos: 1, retain: true });
      await sender.publish({ topic, payload: "on", qos: 1, retain: true });
      const live = await messagesOf(early, 2);
      assert.deepEqual(
        live.map(({ payload, retain }) => `${payload} ${retain}`),
        ["off false", "on false"],
      );
      const late = await trial.connect("late");
      await late.subscribe([{ filter: trial.topic("state/+"), qos: 2 }]);
      const [kept] = await messagesOf(late, 1);
      assert.deepEqual([kept?.payload, kept?.retain, kept?.qos], ["on", true, 1]);
      await sender.publish({ topic, payload: "", qos: 1, retain: true });
      await messagesOf(late, 2);
      const last = await trial.connect("last");
      await last.subscribe([{ filter: topic, qos: 1 }]);
      await settle(sender, last, topic);
      assert.equal(last.messages.length, 1);
    },
  },
  {
    name: "retain as published and retain handling",
    versions: [5],
    async run(trial) {
      const topic = trial.topic("state/lamp");
      const sender = await trial.connect("sender");
      const userProperties = [["by", "panel"]] as const;
      await sender.publish({ topic, payload: "on", qos: 1, retain: true, properties: { userProperties } });
      const receiver = await trial.connect("receiver");
      await receiver.subscribe([{ filter: topic, qos: 1, retainAsPublished: true, retainHandling: 1 }]);
      const [first] = await messagesOf(receiver, 1);
      assert.deepEqual(first?.properties.userProperties, userProperties);
      // Not new: nothing is sent again with handling 1, or ever with 2.
      await receiver.subscribe([{ filter: topic, qos: 1, retainAsPublished: true, retainHandling: 1 }]);
      await sender.publish({ topic, payload: "off", qos: 1, retain: true });
      await messagesOf(receiver, 2);
      await receiver.subscribe([{ filter: topic, qos: 1, retainAsPublished: true, retainHandling: 2 }]);
      await settle(sender, receiver, topic);
      const got = receiver.messages.slice(0, 2).map(({ payload, retain }) => `${payload} ${retain}`);
      assert.deepEqual(got, ["on true", "off true"]);
      assert.equal(receiver.messages.length, 3);
      await sender.publish({ topic, payload: "", qos: 1, retain: true });
    },
  },
  {
    name: "subscription identifiers come with their messages",
    versions: [5],
    async run(trial) {
      const receiver = await trial.connect("receiver");
      await receiver.subscribe([{ filter: trial.topic("a/+"), qos: 1 }], 7);
      await receiver.subscribe([{ filter: trial.topic("b"), qos: 1 }], 268_435_455);
      await receiver.subscribe([{ filter: trial.topic("c"), qos: 1 }]);
      const sender = await trial.connect("sender");
      for (const name of ["a/1", "b", "c"]) await sender.publish({ topic: trial.topic(name), payload: name, qos: 1 });
      const received = await messagesOf(receiver, 3);
      const got = Object.fromEntries(received.map((message) => [message.payload, message.subscriptionIdentifiers]));
      assert.deepEqual(got, { "a/1": [7], b: [268_435_455], c: [] });
    },
  },
  {
    name: "no local keeps a client's own messages from it",
    versions: [5],
    async run(trial) {
      const topic = trial.topic("chat");
      const one = await trial.connect("one");
      const two = await trial.connect("two");
      await one.subscribe([{ filter: topic, qos: 1, noLocal: true }]);
      await two.subscribe([{ filter: topic, qos: 1 }]);
      await one.publish({ topic, payload: "from one", qos: 1 });
      await messagesOf(two, 1);
      await two.publish({ topic, payload: "from two", qos: 1 });
      await messagesOf(one, 1);
      await messagesOf(two, 2);
      assert.deepEqual(payloadsOf(one.messages), ["from two"]);
      assert.deepEqual(payloadsOf(two.messages), ["from one", "from two"]);
    },
  },
  {
    name: "two members of a shared subscription share its messages",
    versions: [5],
    async run(trial) {
      const topic = trial.topic("work");
      const group = [await trial.connect("one"), await trial.connect("two")];
      for (const member of group) {
        const [code = 0x80] = await member.subscribe([{ filter: `$share/team/${trial.topic("+")}`, qos: 1 }]);
        assert.equal(code, 1);
      }
      const watch = await trial.connect("watch");
      await watch.subscribe([{ filter: topic, qos: 1 }]);
      const sender = await trial.connect("sender");
      const count = 40;
      for (let i = 0; i < count; i++) await sender.publish({ topic, payload: `${i}`, qos: 1 });
      const shared = () => group.flatMap(({ messages }) => payloadsOf(messages));
      await until(
        () => shared().length >= count,
        () => `${count} messages for the group, got ${shared().length}`,
      );
      await messagesOf(watch, count);
      assert.deepEqual(
        shared()
          .map(Number)
          .sort((a, b) => a - b),
        Array.from({ length: count }, (_, i) => i),
      );
      assert.ok(
        group.every(({ messages }) => messages.length > 0),
        "one member got everything",
      );
      // The other one takes over, once the broker has seen the first one leave.
      await group[0]?.close();
      const aloneGets = () => group[1]?.messages.some(({ payload }) => payload === "alone") === true;
      for (let i = 0; i < count && !aloneGets(); i++) {
        await sender.publish({ topic, payload: "alone", qos: 1 });
        await messagesOf(watch, count + 1 + i);
      }
      await until(aloneGets, "a message for the remaining member");
    },
  },
  {
    name: "a filter that is not allowed is refused, others of the same packet are not",
    versions: [4, 5],
    async run(trial) {
      const client = await trial.connect("client");
      const codes = await client.subscribe([
        { filter: trial.topic("a"), qos: 1 },
        { filter: "not-allowed/#", qos: 1 },
        { filter: trial.topic("b"), qos: 2 },
      ]);
      // Mosquitto grants a subscription whose messages it then withholds.
      const refused = trial.version === 5 ? 0x87 : 0x80;
      assert.deepEqual(codes, [1, trial.target.name === "weir" ? refused : 1, 2]);
      const sender = await trial.connect("sender");
      await sender.publish({ topic: trial.topic("b"), payload: "still here", qos: 1 });
      assert.deepEqual(payloadsOf(await messagesOf(client, 1)), ["still here"]);
    },
  },
  {
    name: "a publish that is not allowed is refused with its reason",
    versions: [5],
    needs: ["reason codes of PUBACK"],
    async run(trial) {
      const client = await trial.connect("client");
      for (const qos of [1, 2] as const) {
        const code = await client.publish({ topic: "refused/door", payload: "open", qos });
        if (qos === 1 || trial.has("reason codes of PUBREC")) assert.equal(code, 0x87);
      }
      const topic = trial.topic("a");
      assert.ok(isSuccess(await client.publish({ topic, payload: "still here", qos: 1 })));
    },
  },
];
