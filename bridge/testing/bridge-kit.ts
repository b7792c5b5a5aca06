import { createServer, type Socket } from "node:net";
import mqtt from "mqtt";
import { generate, type IConnectPacket, type Packet, parser } from "mqtt-packet";
import { pino } from "pino";
import { expect } from "vitest";
import { systemClock } from "../../platform/clock.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Log } from "../../platform/log/port.ts";
import { createMetrics } from "../../platform/metrics.ts";
import type { PublishDone as Done, InboundMessage, PublishOutcome } from "../../platform/publish-gate.ts";
import { createBridges } from "../bridges.ts";
import { bridgesConfigSchema } from "../common/config.ts";

export const WAIT = { timeout: 20_000, interval: 20 };

type Undo = (() => Promise<unknown>)[];

export interface Taken {
  readonly message: InboundMessage;
  readonly done: Done;
}

export interface BridgeKitOptions {
  /** Keys of one bridge, except `name`; several bridges as a list. */
  readonly config: Readonly<Record<string, unknown>> | readonly Readonly<Record<string, unknown>>[];
  readonly log?: Log;
  readonly member?: string;
}

/** Bridges whose messages wait until the test marks them as kept, or until `onMessage` does. */
export async function startBridgeKit(undo: Undo, { config, log: given, member = "here" }: BridgeKitOptions) {
  const log = given ?? createMemoryLog({ nowUs: systemClock.nowUs });
  const configs = bridgesConfigSchema.parse([config].flat().map((one) => ({ name: "b", ...one })));
  const taken: Taken[] = [];
  const lines: string[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
  const metrics = createMetrics();
  const kit = {
    /** What to do with a message when it arrives. */
    onMessage: (done: Done, _message: InboundMessage): void => done(),
  };
  const next = {
    accept(message: InboundMessage, done: Done) {
      taken.push({ message: { ...message, payload: Uint8Array.from(message.payload) }, done });
      kit.onMessage(done, message);
    },
  };
  const bridges = await createBridges(configs, { log, clock: systemClock, logger, metrics, member, next });
  const delivered: string[] = [];
  bridges.start(async ({ topic, payload }) => {
    if (topic.startsWith("$")) return "system-topic";
    delivered.push(`${topic} ${Buffer.from(payload)}`);
    return undefined;
  });
  async function stop(): Promise<void> {
    await bridges.stop();
    await bridges.drain();
  }
  undo.push(stop);
  async function metric(name: string): Promise<Record<string, number>> {
    const found = await metrics.registry.getSingleMetric(name)?.get();
    return Object.fromEntries(
      (found?.values ?? []).map(({ labels, value }) => [Object.values(labels).join(" "), value]),
    );
  }
  /** As a device of Weir's own broker publishes it; resolves when it is acknowledged. */
  function publish(
    topic: string,
    text: string,
    more: Partial<InboundMessage> = {},
  ): Promise<PublishOutcome | undefined> {
    const base = { topic, payload: Buffer.from(text), qos: 1, retain: false, clientId: "device" } as const;
    return new Promise((resolve, reject) => {
      bridges.gate.accept({ ...base, receivedAtUs: systemClock.nowUs(), ...more }, (error, outcome) =>
        error ? reject(error) : resolve(outcome),
      );
    });
  }
  return { bridges, taken, delivered, lines, log, kit, metric, publish, stop };
}

export type BridgeKit = Awaited<ReturnType<typeof startBridgeKit>>;

export async function startConnected(undo: Undo, options: BridgeKitOptions): Promise<BridgeKit> {
  const started = await startBridgeKit(undo, options);
  await expect.poll(() => started.bridges.problem(), WAIT).toBeUndefined();
  return started;
}

export function textsOf(taken: readonly Taken[]): string[] {
  return taken.map(({ message }) => Buffer.from(message.payload).toString());
}

export interface ScriptedBroker {
  readonly url: string;
  readonly connects: IConnectPacket[];
}

/** Answers each packet as the test specifies: packets, bytes, or the end of the connection. */
export async function startScriptedBroker(
  undo: Undo,
  answer: (packet: Packet, version: number) => readonly Packet[] | Buffer | "end",
): Promise<ScriptedBroker> {
  const connects: IConnectPacket[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let version = 4;
    const packets = parser({});
    packets.on("packet", (packet: Packet) => {
      if (packet.cmd === "connect") {
        version = packet.protocolVersion ?? 4;
        connects.push(packet);
      }
      const answers = answer(packet, version);
      if (answers === "end") socket.end();
      else if (Buffer.isBuffer(answers)) socket.write(answers);
      else for (const one of answers) socket.write(generate(one, { protocolVersion: version }));
    });
    socket.on("data", (bytes) => packets.parse(bytes));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  undo.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return { url: `mqtt://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`, connects };
}

export async function connectClient(undo: Undo, url: string, options: mqtt.IClientOptions = {}) {
  const client = await mqtt.connectAsync(url, options);
  undo.push(() => client.endAsync(true));
  return client;
}

/** All that a broker has for a filter, as `topic text`, with retained ones marked. */
export async function collect(undo: Undo, url: string, filter: string): Promise<string[]> {
  const client = await connectClient(undo, url, { protocolVersion: 5 });
  const texts: string[] = [];
  client.on("message", (topic, payload, { retain }) => texts.push(`${topic} ${payload}${retain ? " retained" : ""}`));
  await client.subscribeAsync({ [filter]: { qos: 1, rap: true } });
  return texts;
}

export async function publishAll(
  client: mqtt.MqttClient,
  topic: string,
  texts: readonly string[],
  qos: 0 | 1 | 2,
): Promise<void> {
  const publish = (text: string) => client.publishAsync(topic, text, { qos });
  // mosquitto 2.0.11 loses QoS 2 messages that arrive while twenty others of their sender are unfinished.
  if (qos === 2) for (const text of texts) await publish(text);
  else await Promise.all(texts.map(publish));
}
