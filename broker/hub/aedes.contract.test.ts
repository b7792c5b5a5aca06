import { readFile } from "node:fs/promises";
import { Aedes, type AedesPublishPacket } from "aedes";
import { afterEach, describe, expect, it } from "vitest";
import { MessageQueue } from "./message-queue.ts";

/** What Weir leans on in Aedes. A new version that fails here needs another hub, or other code in `hub.ts`. */

const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

type Step = "storeRetained" | "enqueue";

/** An Aedes whose every step is recorded, and fails on request. */
async function start(failing?: Step) {
  const steps: string[] = [];
  const packets: AedesPublishPacket[] = [];
  async function step(name: Step, packet: AedesPublishPacket): Promise<void> {
    if (packet.topic.startsWith("$SYS/")) return;
    // Later, so that a step that does not wait is found out.
    await new Promise((resolve) => setImmediate(resolve));
    steps.push(name);
    if (name === failing) throw new Error(`${name} failed`);
  }
  const aedes = new Aedes({
    mq: new MessageQueue<AedesPublishPacket>((packet) => {
      steps.push(packet.topic.startsWith("$SYS/") ? packet.topic.replace(/[0-9a-f-]{36}/, "ID") : "emit");
      packets.push(packet);
    }),
    persistence: {
      setup: async () => {},
      storeRetained: (packet: AedesPublishPacket) => step("storeRetained", packet),
      subscriptionsByTopic: async () => [],
      outgoingEnqueueCombi: (_subscriptions: unknown, packet: AedesPublishPacket) => step("enqueue", packet),
      async *streamWill() {},
    },
  });
  await aedes.listen();
  stops.push(() => new Promise((resolve) => aedes.close(() => resolve())));
  const publish = (packet: { qos: 0 | 1 | 2; retain: boolean; properties?: object }) =>
    new Promise<string>((resolve) => {
      const whole = { cmd: "publish" as const, topic: "a", payload: Buffer.from("1"), dup: false, ...packet };
      aedes.publish(whole, (error?: Error) => {
        steps.push("done");
        resolve(error?.message ?? "ok");
      });
    });
  return { steps, packets, publish };
}

describe("Aedes", () => {
  it("has the exact version that was read", async () => {
    const { dependencies } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
    expect(dependencies.aedes).toBe("1.2.0");
  });

  it("announces itself below $SYS", async () => {
    const { steps } = await start();
    expect(steps).toEqual(["$SYS/ID/birth"]);
  });

  it.each([
    [{ qos: 0, retain: false }, ["emit", "done"]],
    [{ qos: 0, retain: true }, ["storeRetained", "emit", "done"]],
    [{ qos: 1, retain: false }, ["enqueue", "emit", "done"]],
    [{ qos: 2, retain: true }, ["storeRetained", "enqueue", "emit", "done"]],
  ] as const)("takes the steps of %j in their order, each after the one before", async (packet, expected) => {
    const { steps, publish } = await start();
    steps.splice(0);
    expect(await publish(packet)).toBe("ok");
    expect(steps).toEqual(expected);
  });

  it("emits a QoS 0 message before `publish` returns", async () => {
    const { steps, publish } = await start();
    steps.splice(0);
    const done = publish({ qos: 0, retain: false });
    expect(steps).toEqual(["emit", "done"]);
    await done;
  });

  it("keeps the properties of a packet by reference", async () => {
    const { packets, publish } = await start();
    const properties = { message: {} };
    await publish({ qos: 1, retain: false, properties });
    expect(packets.at(-1)?.properties).toBe(properties);
  });

  it.each(["storeRetained", "enqueue"] as const)(
    "emits nothing and reports the error when %s fails",
    async (failing) => {
      const { steps, publish } = await start(failing);
      steps.splice(0);
      expect(await publish({ qos: 1, retain: true })).toBe(`${failing} failed`);
      expect(steps).not.toContain("emit");
    },
  );
});
