import { type Check, check } from "../scene/check.ts";
import { publishPacket, subscribePacket } from "../wire/build.ts";
import { PINGREQ } from "../wire/bytes.ts";

/** Topics, filters and strings. */

/** Filters, and topics that they match or not; below a prefix of the check. */
const MATCHES: readonly (readonly [filter: string, topics: readonly string[], others: readonly string[]])[] = [
  ["a/b", ["a/b"], ["a", "a/b/", "a/b/c", "A/b", "/a/b", "a//b"]],
  ["a/#", ["a", "a/", "a/b", "a/b/c", "a//"], ["ab", "A", "b/a"]],
  ["#", ["a", "a/b", "/"], []],
  ["+", ["a", "b c"], ["a/b", "/a", "a/"]],
  ["+/+", ["/a", "a/", "a/b", "/"], ["a", "a/b/c"]],
  ["/+", ["/a", "/"], ["a", "a/b", "/a/b"]],
  ["a/+/c", ["a/b/c", "a//c"], ["a/c", "a/b/b/c", "a/b/c/"]],
  ["+/b/#", ["a/b", "/b", "a/b/c/d"], ["b", "a/c/b"]],
  ["a/+", ["a/b", "a/"], ["a", "a/b/c"]],
];

/** Texts that a broker might change, but must not. */
const UNUSUAL = [
  "\ufeff",
  "\ufeffa",
  "e\u0301",
  "\u00e9",
  "\u{1f600}",
  "a b",
  " a",
  "a ",
  "\u00df",
  "SS",
  "\u212a",
  "K",
];

/** Control characters and noncharacters: a broker may close the connection, or take them as they are. */
const DOUBTFUL = ["\ufffe", "\uffff", "\u0001", "\u007f", "\u{1ffff}"];

export const TOPIC_CHECKS: readonly Check[] = [
  ...MATCHES.map(([filter, topics, others]) =>
    check(
      `filter ${filter}`,
      {
        4: ["3.3.2-3", "4.7.1-2", "4.7.1-3", "4.7.3-4"],
        5: ["3.3.2-3", "4.7.1-1", "4.7.1-2", "4.7.3-4"],
      },
      async (t) => {
        const publisher = await t.connect();
        const subscriber = await t.connect();
        await subscriber.subscribe(t.topic(filter));
        for (const topic of [...others, ...topics]) await publisher.publish(t.topic(topic), topic, { qos: 1 });
        await subscriber.subscribe("marker".concat(t.topic("m")));
        const messages = await t.before({ from: publisher, to: subscriber, topic: "marker".concat(t.topic("m")) });
        t.equal(
          messages.map(({ payload }) => payload),
          topics,
          "matching topics",
        );
        t.equal(
          messages.map(({ topic }) => topic),
          topics.map((topic) => t.topic(topic)),
          "their names",
        );
      },
    ),
  ),
  check(
    "topics are kept as they are",
    {
      4: ["1.5.3-3", "4.7.3-4", "3.3.2-3"],
      5: ["1.5.4-3", "4.7.3-4", "3.3.2-3"],
    },
    async (t) => {
      const publisher = await t.connect();
      for (const text of UNUSUAL) {
        const topic = t.topic(text);
        const subscriber = await t.connect();
        await subscriber.subscribe(topic);
        for (const other of UNUSUAL) await publisher.publish(t.topic(other), other, { qos: 0 });
        const messages = await t.before({ from: publisher, to: subscriber, topic });
        t.equal(
          messages.map((message) => [message.topic, message.payload]),
          [[topic, text]],
          `messages to ${topic}`,
        );
      }
    },
  ),
  check("doubtful characters are refused or kept", { 4: ["4.7.3-4"], 5: ["4.7.3-4"] }, async (t) => {
    for (const text of DOUBTFUL) {
      const { version } = t;
      const client = await t.connect();
      client.send(subscribePacket(version, 1, [{ filter: t.topic("+"), qos: 0 }]));
      await client.next("suback", 1);
      client.send(publishPacket(version, t.topic(text), "x"), PINGREQ);
      await client.until(() => client.closed || client.received.length >= 2, "a message or the end");
      const topics = client.received.filter(({ kind }) => kind === "publish").map(({ topic }) => topic);
      t.equal(topics, client.closed ? [] : [t.topic(text)], "topics");
    }
  }),
  check("wildcards at the beginning do not match $", { 4: ["4.7.2-1"], 5: ["4.7.2-1"] }, async (t) => {
    const { version } = t;
    const [wide, system] = [await t.connect(), await t.connect()];
    wide.send(
      subscribePacket(
        version,
        1,
        ["#", "+/#", "+/broker/#"].map((filter) => ({ filter, qos: 0 as const })),
      ),
    );
    await wide.next("suback", 1);
    await system.subscribe([{ filter: "$SYS/#", qos: 0 }]);
    // Brokers publish some state below $SYS, at the latest within some seconds.
    const endMs = performance.now() + 3_000;
    while (system.received.length === 0 && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await wide.ping();
    const topics = wide.received.map(({ topic }) => topic).filter((topic) => topic.startsWith("$"));
    t.equal(topics, [], "topics with $ for wildcards");
    t.ok(
      system.received.every(({ topic }) => topic.startsWith("$SYS/")),
      "$SYS/# got other topics",
    );
  }),
  check("topics of many levels and bytes", { 4: ["4.7.3-4"], 5: ["4.7.3-4"] }, async (t) => {
    const publisher = await t.connect();
    const subscriber = await t.connect();
    // Brokers may have a limit of levels; 20 is little.
    for (const topic of [t.topic("l/".repeat(18)), t.topic("x".repeat(5_000)), t.topic("\u00e4".repeat(2_000))]) {
      await subscriber.subscribe(topic);
      await publisher.publish(topic, "x", { qos: 1 });
      t.equal((await subscriber.message()).topic, topic, "the topic");
    }
  }),
];
