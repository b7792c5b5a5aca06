import { spawn } from "node:child_process";
import { once } from "node:events";
import { generate } from "mqtt-packet";
import { afterEach, describe, expect, it } from "vitest";
import { publishPacket, RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";

afterEach(stopAll);

const PUBLISHERS = 50;
const MESSAGES_EACH = 1_000;
const FLOOD_MS_MAX = 20_000;

/** Publishers flood one subscriber, which disconnects during the flood. */
async function flood(port: number): Promise<RawClient[]> {
  const subscriber = await RawClient.connected(port, { clientId: "subscriber" });
  subscriber.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "flood/#", qos: 0 }] });
  await subscriber.next("suback");
  const names = Array.from({ length: PUBLISHERS }, (_, n) => `publisher-${n}`);
  const publishers = await Promise.all(names.map((clientId) => RawClient.connected(port, { clientId })));
  const batch = Buffer.concat(Array<Buffer>(MESSAGES_EACH).fill(generate(publishPacket("flood/a", "x".repeat(100)))));
  // Reads nothing, so that deliveries pile up behind it.
  subscriber.socket.pause();
  for (const publisher of publishers) publisher.sendBytes(batch);
  await new Promise((resolve) => setImmediate(resolve));
  await until(() => publishers.some(({ socket }) => socket.bytesWritten > batch.length / 2), "the flood");
  subscriber.socket.destroy();
  return publishers;
}

describe("a flood of messages to a subscriber that disconnects", () => {
  it("ends the process of plain Aedes", async () => {
    const program = `
      import { createServer } from "node:net";
      import { Aedes } from "aedes";
      const broker = await Aedes.createBroker();
      const server = createServer(broker.handle).listen(0, "127.0.0.1", () => console.log(server.address().port));`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "pipe" });
    let errors = "";
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    const [line] = await once(child.stdout, "data");
    const exit = once(child, "exit");
    await flood(Number(line));
    const timer = setTimeout(() => child.kill("SIGTERM"), FLOOD_MS_MAX);
    const [code] = await exit;
    clearTimeout(timer);
    expect(code).not.toBe(0);
    expect(errors).toContain("Maximum call stack size exceeded");
  }, 30_000);

  it("does not end ours, and delays no other client", async () => {
    const { port, gate } = await startTestBroker();
    const publishers = await flood(port);
    await until(() => gate.messages.length === PUBLISHERS * MESSAGES_EACH, "all messages", FLOOD_MS_MAX);
    await Promise.all(publishers.map((publisher) => publisher.ping()));
  }, 30_000);
});
