import assert from "node:assert/strict";
import type { Qos } from "../common/port.ts";
import { isSuccess, messagesOf, payloadsOf, type Scenario, settle, until } from "./trial.ts";

const QOS: readonly Qos[] = [0, 1, 2];
const COUNT = 20;
/** Below the default bound of a packet, 256 KiB. */
const LARGE = "0123456789abcdef".repeat(15_000);

function flow(qos: Qos): Scenario {
  return {
    name: `messages of QoS ${qos} arrive once and in order`,
    versions: [4, 5],
    async run(trial) {
      const topic = trial.topic("readings/level");
      const receiver = await trial.connect("receiver");
      assert.deepEqual(await receiver.subscribe([{ filter: topic, qos }]), [qos]);
      const sender = await trial.connect("sender");
      for (let i = 0; i < COUNT; i++) {
        assert.ok(isSuccess(await sender.publish({ topic, payload: `${i}`, qos })));
      }
      const received = await messagesOf(receiver, COUNT);
      assert.deepEqual(
        payloadsOf(received),
        Array.from({ length: COUNT }, (_, i) => `${i}`),
      );
      assert.ok(received.every((message) => message.topic === topic && message.qos === qos && !message.retain));
    },
  };
}

/** Everything about a message on its way from one client to another. */
export const MESSAGES: readonly Scenario[] = [
  ...QOS.map(flow),
  {
    name: "a subscription's QoS bounds the QoS of its messages",
    versions: [4, 5],
    async run(trial) {
      const topic = trial.topic("readings/level");
      const receiver = await trial.connect("receiver");
      await receiver.subscribe([{ filter: topic, qos: 1 }]);
      const sender = await trial.connect("sender");
      for (const qos of QOS) await sender.publish({ topic, payload: `${qos}`, qos });
      const received = await messagesOf(receiver, 3);
      assert.deepEqual(Object.fromEntries(received.map(({ payload, qos }) => [payload, qos])), { 0: 0, 1: 1, 2: 1 });
    },
  },
  {
    name: "a large message arrives whole",
    versions: [4, 5],
    async run(trial) {
      const topic = trial.topic("file");
      const receiver = await trial.connect("receiver");
      await receiver.subscribe([{ filter: topic, qos: 2 }]);
      const sender = await trial.connect("sender");
      for (const qos of QOS) await sender.publish({ topic, payload: `${qos}${LARGE}`, qos });
      const received = await messagesOf(receiver, 3);
      assert.deepEqual(received.map(({ payload }) => payload).sort(), [`0${LARGE}`, `1${LARGE}`, `2${LARGE}`]);
    },
  },
  {
    name: "wildcards match, and an unsubscribed filter gets nothing more",
    versions: [4, 5],
    async run(trial) {
      const receiver = await trial.connect("receiver");
      const all = trial.topic("#");
      await receiver.subscribe([{ filter: trial.topic("+/level"), qos: 1 }]);
      const sender = await trial.connect("sender");
      await sender.publish({ topic: trial.topic("a/level"), payload: "1", qos: 1 });
      await sender.publish({ topic: trial.topic("a/other"), payload: "2", qos: 1 });
      await sender.publish({ topic: trial.topic("b/level"), payload: "3", qos: 1 });
      await messagesOf(receiver, 2);
      await receiver.unsubscribe(trial.topic("+/level"));
      await sender.publish({ topic: trial.topic("a/level"), payload: "4", qos: 1 });
      await receiver.subscribe([{ filter: all, qos: 1 }]);
      await sender.publish({ topic: trial.topic("a/other"), payload: "5", qos: 1 });
      await messagesOf(receiver, 3);
      assert.deepEqual(payloadsOf(receiver.messages), ["1", "3", "5"]);
    },
  },
  {
    name: "properties of a message arrive as they were sent",
    versions: [5],
    async run(trial) {
      const topic = trial.topic("readings/level");
      const receiver = await trial.connect("receiver");
      await receiver.subscribe([{ filter: topic, qos: 2 }]);
      const sender = await trial.connect("sender");
      const userProperties = [
        ["unit", "m"],
        ["site", "north"],
        ["unit", "cm"],
        ["", "empty name"],
      ] as const;
      const sent = {
        payloadFormat: 1,
        contentType: "text/plain",
        responseTopic: trial.topic("answer"),
        correlationData: "question 7",
        userProperties,
      };
      for (const qos of QOS) await sender.publish({ topic, payload: "5", qos, properties: sent });
      for (const { properties } of await messagesOf(receiver, 3)) {
        const inOrder = trial.has("order of user properties");
        const byName = (pairs: readonly (readonly [string, string])[] = []) =>
          inOrder ? pairs : [...pairs].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
        const { userProperties: got, ...rest } = properties;
        assert.deepEqual(byName(got), byName(userProperties));
        const { userProperties: _, ...expected } = sent;
        assert.deepEqual(rest, expected);
      }
    },
  },
  {
    name: "a question gets its answer: response topic and correlation data",
    versions: [5],
    async run(trial) {
      const asks = await trial.connect("asks");
      const answers = await trial.connect("answers");
      await answers.subscribe([{ filter: trial.topic("question"), qos: 1 }]);
      await asks.subscribe([{ filter: trial.topic("answer/+"), qos: 1 }]);
      for (const number of [1, 2]) {
        const properties = { responseTopic: trial.topic(`answer/${number}`), correlationData: `c${number}` };
        await asks.publish({ topic: trial.topic("question"), payload: `${number}`, qos: 1, properties });
      }
      for (const { payload, properties } of [...(await messagesOf(answers, 2))].reverse()) {
        const { responseTopic = "", correlationData = "" } = properties;
        await answers.publish({
          topic: responseTopic,
          payload: `re ${payload}`,
          qos: 1,
          properties: { correlationData },
        });
      }
      const got = (await messagesOf(asks, 2)).map((message) => [
        message.topic,
        message.payload,
        message.properties.correlationData,
      ]);
      assert.deepEqual(got.sort(), [
        [trial.topic("answer/1"), "re 1", "c1"],
        [trial.topic("answer/2"), "re 2", "c2"],
      ]);
    },
  },
  {
    name: "a topic alias replaces its topic",
    versions: [5],
    needs: ["topic alias"],
    async run(trial) {
      const topic = trial.topic("readings/level");
      const receiver = await trial.connect("receiver");
      await receiver.subscribe([{ filter: topic, qos: 1 }]);
      const sender = await trial.connect("sender");
      const properties = { topicAlias: 3 };
      await sender.publish({ topic, payload: "1", qos: 1, properties });
      await sender.publish({ topic: "", payload: "2", qos: 1, properties });
      await sender.publish({ topic: "", payload: "3", qos: 0, properties });
      const received = await messagesOf(receiver, 3);
      assert.deepEqual(
        received.map((message) => `${message.topic} ${message.payload}`),
        ["1", "2", "3"].map((payload) => `${topic} ${payload}`),
      );
    },
  },
  {
    name: "a message that expired while its subscriber was away is not delivered, another one says what is left",
    versions: [5],
    async run(trial) {
      const topic = trial.topic("readings/level");
      const options = { cleanStart: false, sessionExpiry: 600 };
      const before = await trial.connect("receiver", options);
      await before.subscribe([{ filter: topic, qos: 1 }]);
      await before.close();
      const sender = await trial.connect("sender");
      // A will says when the first message has expired, so that nothing waits for a guessed time.
      const watch = await trial.connect("watch");
      await watch.subscribe([{ filter: trial.topic("will"), qos: 1 }]);
      await sender.publish({ topic, payload: "short", qos: 1, properties: { messageExpiry: 1 } });
      await sender.publish({ topic, payload: "long", qos: 1, properties: { messageExpiry: 100 } });
      await sender.publish({ topic, payload: "forever", qos: 1 });
      const clock = await trial.connect("clock", {
        sessionExpiry: 600,
        will: { topic: trial.topic("will"), payload: "two seconds", qos: 1, delay: 2 },
      });
      await clock.cut();
      await messagesOf(watch, 1);
      const after = await trial.connect("receiver", options);
      await messagesOf(after, 2);
      await settle(sender, after, topic);
      assert.deepEqual(payloadsOf(after.messages).slice(0, 2), ["long", "forever"]);
      const left = after.messages[0]?.properties.messageExpiry ?? 0;
      assert.ok(left <= 98 && left > 0, `${left} s of 100 s are left after 2 s`);
    },
  },
  {
    name: "a receive maximum of 1 delays messages and loses none",
    versions: [5],
    async run(trial) {
      const topic = trial.topic("readings/level");
      const receiver = await trial.connect("receiver", { receiveMaximum: 1 });
      await receiver.subscribe([{ filter: topic, qos: 2 }]);
      const sender = await trial.connect("sender");
      for (let i = 0; i < COUNT; i++) await sender.publish({ topic, payload: `${i}`, qos: i % 2 === 0 ? 1 : 2 });
      await until(() => receiver.messages.length >= COUNT, "all messages");
      assert.deepEqual(
        payloadsOf(receiver.messages),
        Array.from({ length: COUNT }, (_, i) => `${i}`),
      );
    },
  },
];
