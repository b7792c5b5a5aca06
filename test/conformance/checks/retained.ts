import { type Check, check } from "../scene/check.ts";

/** Retained messages. */

export const RETAINED_CHECKS: readonly Check[] = [
  check(
    "a new subscription gets the last retained message, with its QoS",
    {
      4: ["3.3.1-5", "3.3.1-6", "3.3.1-8"],
      5: ["3.3.1-5", "3.3.1-9"],
    },
    async (t) => {
      const publisher = await t.connect();
      for (const qos of [0, 1, 2] as const) {
        const topic = t.topic(`q${qos}`);
        await publisher.publish(topic, "old", { qos: 1, retain: true });
        await publisher.publish(topic, "new", { qos, retain: true });
        await publisher.ping();
        const subscriber = await t.connect();
        await subscriber.subscribe(topic);
        const message = await subscriber.message();
        t.equal([message.payload, message.qos, message.retain], ["new", qos, true], "the retained message");
        t.equal(await t.before({ from: publisher, to: subscriber, topic }), [], "further retained messages");
      }
    },
  ),
  check("a wildcard gets the retained message of each topic", { 4: ["3.3.1-6"], 5: ["3.3.1-9"] }, async (t) => {
    const publisher = await t.connect();
    const topics = ["a", "b/c", "b/d"].map((name) => t.topic(`w/${name}`));
    for (const topic of topics) await publisher.publish(topic, topic, { qos: 1, retain: true });
    const subscriber = await t.connect();
    await subscriber.subscribe(t.topic("w/#"));
    const got = [await subscriber.message(), await subscriber.message(), await subscriber.message()];
    t.equal(got.map(({ payload }) => payload).sort(), topics, "retained messages");
    t.ok(
      got.every(({ topic, payload, retain }) => topic === payload && retain),
      "each has its topic and the flag",
    );
  }),
  check("a live message has no retain flag", { 4: ["3.3.1-9"], 5: ["3.3.1-12"] }, async (t) => {
    const topic = t.topic("a");
    const { publisher, subscriber } = await t.pair(topic);
    for (const qos of [0, 1, 2] as const) {
      await publisher.publish(topic, "live", { qos, retain: true });
      t.equal((await subscriber.message()).retain, false, `the retain flag of QoS ${qos}`);
    }
  }),
  check(
    "an empty retained message is delivered, and removes the retained one",
    {
      4: ["3.3.1-10", "3.3.1-11"],
      5: ["3.3.1-6", "3.3.1-7"],
    },
    async (t) => {
      const topic = t.topic("a");
      const { publisher, subscriber } = await t.pair(topic);
      await publisher.publish(topic, "kept", { qos: 1, retain: true });
      await publisher.publish(topic, "", { qos: 1, retain: true });
      t.equal(
        [(await subscriber.message()).payload, (await subscriber.message()).payload],
        ["kept", ""],
        "live messages",
      );
      const later = await t.connect();
      await later.subscribe(topic);
      t.equal(await t.before({ from: publisher, to: later, topic }), [], "retained messages after the removal");
    },
  ),
  check(
    "a message without retain flag leaves the retained one alone",
    { 4: ["3.3.1-12"], 5: ["3.3.1-8"] },
    async (t) => {
      const topic = t.topic("a");
      const publisher = await t.connect();
      await publisher.publish(topic, "kept", { qos: 1, retain: true });
      await publisher.publish(topic, "passing", { qos: 1 });
      await publisher.publish(topic, "", { qos: 1 });
      const later = await t.connect();
      await later.subscribe(topic);
      t.equal((await later.message()).payload, "kept", "the retained message");
    },
  ),
  check("QoS 0 replaces what was retained", { 4: ["3.3.1-7"], 5: ["3.3.1-5"] }, async (t) => {
    const topic = t.topic("a");
    const publisher = await t.connect();
    await publisher.publish(topic, "old", { qos: 2, retain: true });
    await publisher.publish(topic, "new", { qos: 0, retain: true });
    await publisher.ping();
    const later = await t.connect();
    await later.subscribe(topic);
    const messages = await t.before({ from: publisher, to: later, topic });
    // A server may forget a retained message of QoS 0, but not keep the one before it.
    t.ok(
      messages.every(({ payload, qos }) => payload === "new" && qos === 0),
      "the old message is still retained",
    );
  }),
  check("retained messages outlive the session of their publisher", { 4: ["3.1.2-7"], 5: ["3.3.1-5"] }, async (t) => {
    const topic = t.topic("a");
    const publisher = await t.connect({ id: t.id() });
    await publisher.publish(topic, "kept", { qos: 1, retain: true });
    await publisher.leave();
    await (await t.connect({ id: t.id() })).leave();
    const later = await t.connect();
    await later.subscribe(topic);
    t.equal((await later.message()).payload, "kept", "the retained message");
  }),
  check(
    "subscribing again sends retained messages again",
    {
      4: ["3.8.4-3"],
      5: ["3.8.4-3", "3.8.4-4", "3.3.1-9"],
    },
    async (t) => {
      const topic = t.topic("a");
      const publisher = await t.connect();
      await publisher.publish(topic, "kept", { qos: 1, retain: true });
      const subscriber = await t.connect();
      for (const qos of [1, 0, 2] as const) {
        await subscriber.subscribe([{ filter: topic, qos }]);
        const message = await subscriber.message();
        t.equal(
          [message.payload, message.qos, message.retain],
          ["kept", Math.min(1, qos), true],
          "the retained message",
        );
      }
      await publisher.publish(topic, "live", { qos: 2 });
      t.equal((await subscriber.message()).qos, 2, "the QoS after subscribing again");
      t.equal(await t.before({ from: publisher, to: subscriber, topic }), [], "messages of the replaced subscriptions");
    },
  ),
  check("retain handling decides about retained messages", { 5: ["3.3.1-9", "3.3.1-10", "3.3.1-11"] }, async (t) => {
    const topic = t.topic("a");
    const publisher = await t.connect();
    await publisher.publish(topic, "kept", { qos: 1, retain: true });
    const cases = [
      { retainHandling: 0, first: 1, again: 1 },
      { retainHandling: 1, first: 1, again: 0 },
      { retainHandling: 2, first: 0, again: 0 },
    ] as const;
    for (const { retainHandling, first, again } of cases) {
      const subscriber = await t.connect();
      for (const expected of [first, again]) {
        await subscriber.subscribe([{ filter: topic, qos: 1, retainHandling }]);
        const messages = await t.before({ from: publisher, to: subscriber, topic });
        t.equal(messages.length, expected, `retained messages with retain handling ${retainHandling}`);
      }
    }
  }),
  check("retain as published keeps the flag", { 5: ["3.3.1-13", "3.3.1-12"] }, async (t) => {
    const topic = t.topic("a");
    const publisher = await t.connect();
    for (const retainAsPublished of [true, false]) {
      const subscriber = await t.connect();
      await subscriber.subscribe([{ filter: topic, qos: 1, retainAsPublished, retainHandling: 2 }]);
      const flags = [];
      for (const retain of [true, false]) {
        await publisher.publish(topic, "x", { qos: 1, retain });
        flags.push((await subscriber.message()).retain);
      }
      t.equal(flags, [retainAsPublished, false], `retain flags, with retain as published ${retainAsPublished}`);
    }
  }),
  check("a retained message expires", { 5: ["3.3.2-5"] }, async (t) => {
    const topic = t.topic("a");
    const publisher = await t.connect();
    await publisher.publish(topic, "brief", { qos: 1, retain: true, properties: { messageExpiry: 1 } });
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    const subscriber = await t.connect();
    await subscriber.subscribe(topic);
    t.equal(await t.before({ from: publisher, to: subscriber, topic }), [], "an expired retained message");
  }),
  check("a shared subscription gets no retained messages", { 5: ["3.3.1-9"] }, async (t) => {
    const topic = t.topic("a");
    const publisher = await t.connect();
    await publisher.publish(topic, "kept", { qos: 1, retain: true });
    const subscriber = await t.connect();
    await subscriber.subscribe([{ filter: `$share/g/${topic}`, qos: 1 }]);
    t.equal(await t.before({ from: publisher, to: subscriber, topic }), [], "retained messages");
  }),
];
