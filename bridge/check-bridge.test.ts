import { afterEach, expect, test } from "vitest";
import { startMosquitto } from "../test/servers/mosquitto.ts";
import { checkBridge } from "./check-bridge.ts";
import { bridgesConfigSchema } from "./common/config.ts";
import { connectClient, publishAll, startConnected, startScriptedBroker, textsOf, WAIT } from "./testing/bridge-kit.ts";

const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function check(config: Readonly<Record<string, unknown>>) {
  const [bridge] = bridgesConfigSchema.parse([{ name: "b", ...config }]);
  if (bridge === undefined) throw new Error("no bridge");
  return checkBridge(bridge, {});
}

test("a running bridge is not disturbed, and its session keeps what waits", async () => {
  const server = await startMosquitto();
  undo.push(server.stop);
  const config = { url: server.url, in: [{ remote: "a/#" }] };
  const first = await startConnected(undo, { config });
  expect(await check(config)).toEqual({ ok: true, detail: `${server.url} answers, with MQTT 5` });
  const client = await connectClient(undo, server.url);
  await publishAll(client, "a/b", ["1"], 1);
  await expect.poll(() => textsOf(first.taken), WAIT).toEqual(["1"]);
  expect(first.lines.filter((line) => line.startsWith("bridge connected"))).toHaveLength(1);
  await first.stop();
  await publishAll(client, "a/b", ["2"], 1);
  await check(config);
  const second = await startConnected(undo, { config });
  await expect.poll(() => textsOf(second.taken), WAIT).toEqual(["2"]);
});

test("a refused subscription is named, also by a broker that speaks 3.1.1 only", async () => {
  const { url, connects } = await startScriptedBroker(undo, (packet, version) => {
    if (packet.cmd === "connect") {
      return version === 5 ? Buffer.from([0x20, 2, 0, 1]) : [{ cmd: "connack", returnCode: 0, sessionPresent: false }];
    }
    return packet.cmd === "subscribe" ? [{ cmd: "suback", messageId: packet.messageId ?? 0, granted: [1, 0x80] }] : [];
  });
  const { ok, detail } = await check({ url, in: [{ remote: "a" }, { remote: "b" }] });
  expect(ok).toBe(false);
  expect(detail).toBe(
    `${url} answers, with MQTT 3.1.1\nit refuses the subscription to b: the user may not subscribe to it, or the broker does not say why (return code 128)`,
  );
  expect(connects.map(({ clientId, clean }) => [clientId, clean])).toEqual([
    ["weir-b-doctor", true],
    ["weir-b-doctor", true],
  ]);
});
