import { generate } from "mqtt-packet";
import { afterEach, describe, expect, it } from "vitest";
import { RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";

afterEach(stopAll);

/** A quadratic pass over 1,000 filters takes half a second a packet. */
const PING_MS_MAX = 1_500;
const FILTERS = 1_000;
const FLOOD_MS_MAX = 30_000;

/** SUBSCRIBE packets, each with the same filters. */
function subscribes(packets: number, filters: readonly string[]): Buffer {
  const subscriptions = filters.map((topic) => ({ topic, qos: 1 as const }));
  const all = Array.from({ length: packets }, (_, n) =>
    generate({ cmd: "subscribe", messageId: n + 1, subscriptions }),
  );
  return Buffer.concat(all);
}

const filterNames = (count: number) => Array.from({ length: count }, (_, n) => `some/filter/number/${n}`);

/** Pings all the time; `stop` resolves to the longest wait for an answer. */
function startPinging(client: RawClient): { stop(): Promise<number> } {
  let [slowestMs, stopped] = [0, false];
  const running = (async () => {
    while (!stopped) {
      const startedMs = performance.now();
      client.send({ cmd: "pingreq" });
      await until(() => client.received.splice(0).length > 0, "PINGRESP", FLOOD_MS_MAX);
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
    }
  })();
  return {
    async stop() {
      stopped = true;
      await running;
      return slowestMs;
    },
  };
}

describe("SUBSCRIBE packets of a thousand filters", () => {
  it.each([
    ["a persistent session", false, 1],
    ["a clean session", true, 1],
    ["twenty persistent sessions", false, 20],
  ])(
    "of %s leave others their answers",
    async (_whose, clean, clients) => {
      const { port } = await startTestBroker();
      const honest = startPinging(await RawClient.connected(port, { clientId: "honest" }));
      const bytes = subscribes(20, filterNames(FILTERS));
      const flooding = Array.from({ length: clients }, async (_, n) => {
        const client = await RawClient.connected(port, { clientId: `flood${n}`, clean });
        client.sendBytes(bytes);
        await until(() => client.ids("suback").length === 20, "all SUBACKs", FLOOD_MS_MAX);
        return client.received.flatMap((packet) => (packet.cmd === "suback" ? packet.granted : []));
      });
      const granted = (await Promise.all(flooding)).flat();
      expect(granted).toHaveLength(clients * 20 * FILTERS);
      expect(new Set(granted)).toEqual(new Set([1]));
      expect(await honest.stop()).toBeLessThan(PING_MS_MAX);
    },
    60_000,
  );

  it("stay in the session", async () => {
    const { port } = await startTestBroker();
    const first = await RawClient.connected(port, { clientId: "away", clean: false });
    first.sendBytes(subscribes(1, filterNames(FILTERS)));
    await first.next("suback");
    first.socket.end();
    await first.untilClosed();
    const again = new RawClient(port);
    expect(await again.connect({ clientId: "away", clean: false })).toBe(0);
    const sender = await RawClient.connected(port, { clientId: "sender" });
    sender.publish(`some/filter/number/${FILTERS - 1}`, "x", { qos: 1, id: 1 });
    expect((await again.next("publish")).topic).toBe(`some/filter/number/${FILTERS - 1}`);
  });
});

it("a SUBSCRIBE with more refused filters than a client may have ends its connection", async () => {
  const { port, metric } = await startTestBroker();
  const honest = startPinging(await RawClient.connected(port, { clientId: "honest" }));
  const client = await RawClient.connected(port, { clientId: "flood" });
  client.sendBytes(subscribes(1, filterNames(8_000)));
  await client.untilClosed();
  expect(await honest.stop()).toBeLessThan(PING_MS_MAX);
  expect(await metric("weir_broker_refused_total", { reason: "too-many-subscriptions" })).toBe(FILTERS + 2);
});
