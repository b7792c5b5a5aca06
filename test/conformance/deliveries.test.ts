import { describe, expect, it } from "vitest";
import { Random } from "../simulation/random.ts";
import { SessionLedger, takeMessages, withWeir } from "./deliveries-kit.ts";
import type { Scene } from "./scene/check.ts";
import { publishPacket } from "./wire/build.ts";
import type { Client } from "./wire/client.ts";

/** What a session gets across reconnects under load. MQTT 3.1.1 and 5 make the same promises. */

const MESSAGES = 1_500;
/** Within what a broker may allow. */
const WINDOW = 16;

async function publishAll(client: Client, topic: string, qos: 1 | 2): Promise<void> {
  for (let from = 0; from < MESSAGES; from += WINDOW) {
    const numbers = Array.from({ length: Math.min(WINDOW, MESSAGES - from) }, (_, n) => from + n);
    if (qos === 1) {
      client.send(...numbers.map((n) => publishPacket(client.version, topic, `${n}`, { qos, id: n + 1 })));
      for (const n of numbers) await client.next("puback", n + 1);
    } else await Promise.all(numbers.map((n) => client.publish(topic, `${n}`, { qos: 2, id: n + 1 })));
  }
}

interface Reading {
  readonly t: Scene;
  readonly random: Random;
  readonly ledger: SessionLedger;
  readonly isDone: () => boolean;
}

/** Reads as one session with many short connections; each ends by a cut at a random moment. */
async function readWithCuts({ t, random, ledger, isDone }: Reading): Promise<number> {
  let connections = 0;
  while (!isDone()) {
    const client = await t.persistent("subscriber");
    connections++;
    const most = random.whole(1, 200);
    let taken = 0;
    while (!isDone() && taken < most) {
      await client.until(() => isDone() || client.received.length > 0, "messages of the session");
      taken += await acknowledgeSome(client, { random, ledger });
    }
    client.cut();
    await client.until(() => client.closed, "the cut");
    for (const message of takeMessages(client)) ledger.receive(message);
  }
  return connections;
}

async function acknowledgeSome(client: Client, to: Pick<Reading, "random" | "ledger">): Promise<number> {
  const messages = takeMessages(client);
  for (const message of messages) to.ledger.receive(message);
  const acknowledged = messages.filter(() => to.random.chance(0.95));
  for (const { id, qos } of acknowledged) {
    if (qos === 1) client.acknowledge("puback", id);
    else client.acknowledge("pubrec", id);
  }
  // Some connections are cut before the broker has read the acknowledgements.
  if (to.random.chance(0.3)) {
    for (const { id } of acknowledged) to.ledger.maybeFinished(id);
    return messages.length;
  }
  await client.ping();
  for (const { id } of client.received.filter(({ kind }) => kind === "pubrel")) client.acknowledge("pubcomp", id);
  client.received.splice(0, client.received.length, ...client.received.filter(({ kind }) => kind !== "pubrel"));
  for (const { id } of acknowledged) to.ledger.finished(id);
  return messages.length;
}

describe.each([4, 5] as const)("a session of MQTT version %s, cut many times under load", (version) => {
  it.each([1, 2] as const)("gets every message of QoS %s first in order, and again only with DUP", async (qos) => {
    const seed = Math.floor(Math.random() * 1e9);
    await withWeir({ version }, async (t) => {
      const topic = t.topic("a");
      await (await t.persistent("subscriber")).subscribe([{ filter: topic, qos }]);
      const ledger = new SessionLedger();
      const publisher = await t.connect({ id: "publisher" });
      const publishing = publishAll(publisher, topic, qos);
      const isDone = () => ledger.first.length >= MESSAGES;
      const reading = readWithCuts({ t, random: new Random(seed), ledger, isDone });
      const [connections] = await Promise.all([reading, publishing]);
      expect(ledger.faults.slice(0, 5), `seed ${seed}`).toEqual([]);
      expect(ledger.first.map(Number), `seed ${seed}`).toEqual(Array.from({ length: MESSAGES }, (_, n) => n));
      expect(connections).toBeGreaterThan(5);
    });
  });

  it("keeps the packet ids of unacknowledged messages, and gives them to no other", async () => {
    await withWeir({ version }, async (t) => {
      const topic = t.topic("a");
      const first = await t.persistent("subscriber");
      await first.subscribe([{ filter: topic, qos: 2 }]);
      const publisher = await t.connect({ id: "publisher" });
      const texts = Array.from({ length: 12 }, (_, n) => `${n}`);
      for (const [n, text] of texts.slice(0, 8).entries()) await publisher.publish(topic, text, { qos: n % 2 ? 1 : 2 });
      const sent = [];
      for (let n = 0; n < 8; n++) sent.push(await first.next("publish"));
      // Every second one is acknowledged: what is left has gaps.
      for (const [n, message] of sent.entries()) if (n % 3 === 0) await first.finish(message);
      await first.ping();
      const left = sent.filter((_, n) => n % 3 !== 0);
      first.cut();
      for (const text of texts.slice(8)) await publisher.publish(topic, text, { qos: 1 });
      const again = await t.persistent("subscriber");
      const got = [];
      for (let n = 0; n < left.length + 4; n++) got.push(await again.next("publish"));
      const repeated = got.slice(0, left.length);
      expect(repeated.map(({ id, payload, dup }) => [id, payload, dup])).toEqual(
        left.map(({ id, payload }) => [id, payload, true]),
      );
      expect(got.slice(left.length).map(({ payload, dup }) => [payload, dup])).toEqual(
        texts.slice(8).map((text) => [text, false]),
      );
      expect(new Set(got.map(({ id }) => id)).size).toBe(got.length);
    });
  });
});
