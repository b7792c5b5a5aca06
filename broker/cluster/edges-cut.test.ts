import { pino } from "pino";
import { expect, test, vi } from "vitest";
import { connectJetStreamLog } from "../../platform/log/jetstream.ts";
import type { Device } from "./testing/device.ts";
import { edgesKit } from "./testing/edges-kit.ts";
import { CUT_MS, startRemoteNats } from "./testing/namespace.ts";

vi.setConfig({ testTimeout: 240_000 });
const POLL = { timeout: 90_000, interval: 50 };
/** Fewer than Receive Maximum, over the whole cut. */
const MESSAGES = 50;
const each = { maxAgeMs: 3_600_000, maxBytes: 64 * 1_048_576 };
const retention = { readings: each, windows: each, alerts: each, deadLetters: each };

const of = ({ packets }: Device, topic: string) =>
  packets.filter((packet) => packet.topic === topic).map(({ payload }) => payload.toString());

test("two edges serve their clients through a cut, and agree afterwards", async (context) => {
  const nats = await startRemoteNats(2);
  if ("reason" in nats) return context.skip(nats.reason);
  const links: Readonly<Record<string, string | undefined>> = { one: nats.servers[0], two: nats.servers[1] };
  const kit = edgesKit(
    (name) =>
      connectJetStreamLog({
        ...{ servers: links[name] ?? "", name, partitions: 1, retention },
        logger: pino({ level: "silent" }),
      }),
    { graceSeconds: 3_600 },
  );
  try {
    const [one, two] = [await kit.open("one"), await kit.open("two")];
    const stored = await Promise.all([one, two].map((edge) => kit.connect(edge, { clientId: `s-${edge.name}` })));
    const passing = await Promise.all(
      [one, two].map((edge) => kit.connect(edge, { clientId: `t-${edge.name}`, clean: true })),
    );
    for (const device of [...stored, ...passing]) await device.subscribe({ topic: "q/#", qos: 2 });
    const will = { topic: "q/will", payload: "gone", qos: 1 } as const;
    const watched = await kit.connect(two, { clientId: "watched", will });
    const [near, far] = await Promise.all([one, two].map((edge) => kit.connect(edge, { clientId: `p-${edge.name}` })));
    const local = await kit.connect(two, { clientId: "local", clean: true });
    if (near === undefined || far === undefined) throw new Error("a publisher is missing");

    nats.cut(1);
    const sent: string[] = [];
    let acknowledgedFar = 0;
    const acknowledging: Promise<void>[] = [];
    for (let i = 0; i < MESSAGES; i++) {
      sent.push(`${i}`);
      for (const [publisher, name] of [
        [near, "near"],
        [far, "far"],
      ] as const) {
        const one = publisher.publish(`q/1/${name}`, `${i}`, 1);
        const two = publisher.publish(`q/2/${name}`, `${i}`, 2);
        acknowledging.push(one, two);
        if (name === "far") for (const each of [one, two]) void each.then(() => acknowledgedFar++);
      }
      void near.publish("q/kept/near", `${i}`, 1, { retain: true });
      void far.publish("q/kept/far", `${i}`, 1, { retain: true });
      // What need not be stored goes on at both.
      void local.publish("q/0/far", `${i}`, 0);
      await new Promise((resolve) => setTimeout(resolve, CUT_MS / MESSAGES));
    }
    // Each edge goes on with what it can.
    for (const device of [stored[0], passing[0]]) {
      for (const qos of [1, 2]) await expect.poll(() => device && of(device, `q/${qos}/near`), POLL).toEqual(sent);
    }
    for (const device of [stored[1], passing[1]]) {
      await expect.poll(() => device && of(device, "q/0/far"), POLL).toEqual(sent);
    }
    expect(acknowledgedFar).toBe(0);
    for (const device of [...stored, ...passing, near, far, watched]) expect(device.ends).toEqual([]);

    nats.restore(1);
    await Promise.all(acknowledging);
    for (const device of [...stored, ...passing]) {
      for (const topic of ["q/1/near", "q/2/near", "q/1/far", "q/2/far"]) {
        await expect.poll(() => of(device, topic), POLL).toEqual(sent);
      }
    }
    // No client has noticed, and both edges agree.
    for (const device of [...stored, ...passing, near, far, watched]) expect(device.ends).toEqual([]);
    for (const edge of [one, two]) {
      const late = await kit.connect(edge, { clientId: `late-${edge.name}`, clean: true });
      await late.subscribe({ topic: "q/kept/#", qos: 1 });
      await expect.poll(() => late.texts, POLL).toEqual([`${MESSAGES - 1}`, `${MESSAGES - 1}`]);
      await late.publish("q/after", edge.name, 2);
    }
    for (const device of [...stored, ...passing]) {
      await expect.poll(() => of(device, "q/after"), POLL).toEqual(["one", "two"]);
    }
    // The edge that was taken for dead still has the will of its client.
    two.kill();
    await watched.connect(one.port);
    expect(watched.connack?.sessionPresent).toBe(true);
    expect(stored[0] && of(stored[0], "q/will")).toEqual([]);
    expect(kit.failures).toEqual([]);
  } finally {
    nats.restore(1);
    await kit.close();
    await nats.stop();
  }
});
