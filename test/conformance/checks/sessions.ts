import { type Check, check } from "../scene/check.ts";
import { connectPacket } from "../wire/build.ts";

/** Sessions: how they begin, are resumed, taken over, and end. */

export const SESSION_CHECKS: readonly Check[] = [
  check(
    "session present tells whether there was a session",
    {
      4: ["3.2.2-1", "3.2.2-2", "3.2.2-3", "3.1.2-4", "3.1.2-6", "3.1.4-3"],
      5: ["3.2.2-2", "3.2.2-3", "3.1.2-4", "3.1.2-5", "3.1.2-6", "3.1.4-4"],
    },
    async (t) => {
      const present = [];
      for (const clean of [false, false, true, false]) {
        const client = await t.persistent(t.id(), { clean });
        present.push(client.connack?.sessionPresent);
        if (present.length === 1) await client.subscribe(t.topic("a"));
        await client.leave();
      }
      // In MQTT 3.1.1 a clean session is gone with its connection; in MQTT 5 it lasts as long as its expiry.
      t.equal(present, [false, true, false, t.version === 5], "session present");
    },
  ),
  check(
    "a session without subscriptions is present, too",
    {
      4: ["3.2.2-2", "3.1.2-4"],
      5: ["3.2.2-3", "3.1.2-23"],
    },
    async (t) => {
      await (await t.persistent(t.id())).leave();
      const again = await t.persistent(t.id());
      t.equal(again.connack?.sessionPresent, true, "session present");
    },
  ),
  check(
    "a session keeps its subscriptions, and stores messages of QoS 1 and 2",
    {
      4: ["3.1.2-4", "3.1.2-5", "4.1.0-1", "4.5.0-1", "3.1.3-2"],
      5: ["3.1.2-5", "3.1.2-23", "4.5.0-1", "3.1.3-2"],
    },
    async (t) => {
      const topic = t.topic("a");
      const first = await t.persistent(t.id());
      await first.subscribe(topic);
      await first.leave();
      const publisher = await t.connect();
      await publisher.publish(topic, "one", { qos: 1 });
      await publisher.publish(topic, "two", { qos: 2 });
      const again = await t.persistent(t.id());
      const got = [await again.message(), await again.message()];
      t.equal(
        got.map(({ payload, qos, dup }) => [payload, qos, dup]),
        [
          ["one", 1, false],
          ["two", 2, false],
        ],
        "stored messages",
      );
      await publisher.publish(topic, "live", { qos: 1 });
      t.equal((await again.message()).payload, "live", "a live message, without subscribing again");
    },
  ),
  check(
    "a session is kept when its connection breaks",
    {
      4: ["4.1.0-1", "3.1.2-4"],
      5: ["3.1.2-23", "3.1.2-5"],
    },
    async (t) => {
      const topic = t.topic("a");
      const first = await t.persistent(t.id());
      await first.subscribe(topic);
      first.cut();
      const publisher = await t.connect();
      await publisher.publish(topic, "one", { qos: 1 });
      const again = await t.persistent(t.id());
      t.equal(again.connack?.sessionPresent, true, "session present");
      t.equal((await again.message()).payload, "one", "the stored message");
    },
  ),
  check(
    "a clean session starts empty and leaves nothing",
    {
      4: ["3.1.2-6", "3.1.4-3"],
      5: ["3.1.2-4", "3.1.4-4"],
    },
    async (t) => {
      const topic = t.topic("a");
      const first = await t.persistent(t.id());
      await first.subscribe(topic);
      await first.leave();
      const publisher = await t.connect();
      await publisher.publish(topic, "for the old session", { qos: 1 });
      const clean = await t.connect({ id: t.id() });
      await publisher.publish(topic, "without subscription", { qos: 1 });
      await clean.subscribe(t.topic("marker"));
      t.equal(
        await t.before({ from: publisher, to: clean, topic: t.topic("marker") }),
        [],
        "messages of the old session",
      );
      await clean.leave();
      const later = await t.persistent(t.id());
      t.equal(later.connack?.sessionPresent, false, "session present after a clean session");
    },
  ),
  check("a session lasts at least as long as its connection", { 4: ["4.1.0-2"], 5: ["4.1.0-1"] }, async (t) => {
    const topic = t.topic("a");
    const { publisher, subscriber } = await t.pair(topic);
    for (const text of ["1", "2", "3"]) {
      await publisher.publish(topic, text, { qos: 2 });
      await subscriber.ping();
    }
    const got = [await subscriber.message(), await subscriber.message(), await subscriber.message()];
    t.equal(
      got.map(({ payload }) => payload),
      ["1", "2", "3"],
      "messages",
    );
  }),
  check("the client id distinguishes sessions", { 4: ["3.1.3-2"], 5: ["3.1.3-2"] }, async (t) => {
    const [a, b] = [await t.persistent(t.id("a")), await t.persistent(t.id("b"))];
    await a.subscribe(t.topic("a"));
    await b.subscribe(t.topic("b"));
    await a.leave();
    await b.leave();
    const publisher = await t.connect();
    await publisher.publish(t.topic("a"), "for a", { qos: 1 });
    await publisher.publish(t.topic("b"), "for b", { qos: 1 });
    for (const name of ["b", "a"]) {
      const again = await t.persistent(t.id(name));
      t.equal((await again.message()).payload, `for ${name}`, "the message of the session");
      await again.ping();
      t.equal(again.received, [], "other messages");
    }
  }),
  check(
    "a second connection takes over",
    {
      4: ["3.1.4-2"],
      5: ["3.1.4-3", "3.14.4-2", "4.13.2-1"],
    },
    async (t) => {
      const topic = t.topic("a");
      const first = await t.persistent(t.id());
      await first.subscribe(topic);
      const second = await t.persistent(t.id());
      await first.untilClosed("a second connection with its client id");
      if (t.version === 5)
        t.equal(
          first.received.map(({ kind, code }) => [kind, code]),
          [["disconnect", 0x8e]],
          "the farewell",
        );
      t.equal(second.connack?.sessionPresent, true, "session present");
      await (await t.connect()).publish(topic, "one", { qos: 1 });
      t.equal((await second.message()).payload, "one", "the message");
    },
  ),
  check("many takeovers end with one connection", { 4: ["3.1.4-2"], 5: ["3.1.4-3"] }, async (t) => {
    const clients = Array.from({ length: 8 }, () => t.open());
    for (const client of clients) client.send(connectPacket(t.version, { id: t.id() }));
    const last = () => clients.filter(({ closed }) => !closed);
    const [first] = clients;
    while (first !== undefined && last().length > 1) {
      const open = last();
      await open[0]?.until(() => last().length < open.length, "all connections but one to be closed");
    }
    await last()[0]?.ping();
    t.equal(last().length, 1, "open connections");
  }),
  check("an expired session is gone", { 5: ["4.1.0-2"] }, async (t) => {
    const first = await t.persistent(t.id(), { properties: { sessionExpiry: 1 } });
    await first.subscribe(t.topic("a"));
    await first.leave();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const again = await t.persistent(t.id());
    t.equal(again.connack?.sessionPresent, false, "session present after its expiry");
  }),
  check("a session with expiry 0 ends with its connection", { 5: ["4.1.0-2", "3.1.2-6"] }, async (t) => {
    const first = await t.connect({ id: t.id(), clean: false });
    await first.subscribe(t.topic("a"));
    await first.leave();
    const again = await t.persistent(t.id());
    t.equal(again.connack?.sessionPresent, false, "session present");
  }),
  check("DISCONNECT can change the expiry", { 5: ["4.1.0-2", "3.1.2-23"] }, async (t) => {
    const first = await t.persistent(t.id());
    await first.leave(0, { sessionExpiry: 0 });
    const second = await t.persistent(t.id());
    t.equal(second.connack?.sessionPresent, false, "session present after an expiry of 0 in DISCONNECT");
  }),
  check("a session with the longest expiry is kept", { 5: ["3.1.2-23"] }, async (t) => {
    await (await t.persistent(t.id(), { properties: { sessionExpiry: 0xffff_ffff } })).leave();
    const again = await t.persistent(t.id(), { properties: { sessionExpiry: 0 } });
    t.equal(again.connack?.sessionPresent, true, "session present");
  }),
  check(
    "the keep-alive is enforced",
    {
      4: ["3.1.2-24"],
      5: ["3.1.2-22", "3.2.2-22", "3.2.2-21"],
    },
    async (t) => {
      const topic = t.topic("will");
      const { subscriber } = await t.pair(topic);
      const sinceMs = performance.now();
      const client = await t.connect({ id: t.id(), keepalive: 1, will: { topic, payload: "silent", qos: 1 } });
      const seconds = client.connack?.properties.serverKeepAlive ?? 1;
      await client.untilClosed("a silence of one and a half keep-alives");
      // Not before the time: a client may wait as long as that.
      const silenceMs = performance.now() - sinceMs;
      t.ok(silenceMs >= seconds * 1_000, `closed after ${silenceMs.toFixed(0)} ms, the keep-alive is ${seconds} s`);
      const farewells = client.received.filter(({ kind }) => kind === "disconnect");
      t.ok(
        farewells.every(({ code }) => code === 0x8d),
        `the farewell is ${JSON.stringify(farewells)}`,
      );
      t.equal((await subscriber.message()).payload, "silent", "the will");
    },
  ),
  check("every packet counts for the keep-alive", { 4: ["3.1.2-24"], 5: ["3.1.2-22"] }, async (t) => {
    const client = await t.connect({ keepalive: 2 });
    const sinceMs = performance.now();
    // No PINGREQ for longer than the broker would wait for one.
    while (performance.now() - sinceMs < 4_000) {
      await client.publish(t.topic("a"), "x");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await client.ping();
  }),
];
