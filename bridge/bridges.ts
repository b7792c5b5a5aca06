import { randomBytes } from "node:crypto";
import { asError } from "../domain/reason.ts";
import { ConflictError, type Log } from "../platform/log/port.ts";
import type {
  InboundMessage,
  MessageProperties,
  PublishDone,
  PublishGate,
  PublishOutcome,
} from "../platform/publish-gate.ts";
import type { Deps } from "../platform/service.ts";
import { Bridge, type BridgeDeps } from "./bridge.ts";
import type { BridgeConfig, IncomingConfig } from "./common/config.ts";
import { type BridgeEvents, createBridgeEvents } from "./common/events.ts";
import type { OutgoingMessage } from "./outbox/frame.ts";
import { OutboxWriter } from "./outbox/outbox-writer.ts";

export interface Bridges {
  /** Every publish passes through it: what shall go out is put into the log before the publish is acknowledged. */
  readonly gate: PublishGate;
  /** Opens the connections. `deliver` gives a message to the clients of Weir's own broker. */
  start(deliver: Deliver): void;
  /** What a person should know about the bridges; undefined if all work. */
  problem(): string | undefined;
  /** Ends the connections. The gate still takes messages. Idempotent. */
  stop(): Promise<void>;
  /** Resolves when the log has all that the gate has taken. */
  drain(): Promise<void>;
}

/** Resolves once every persistent session that subscribes to it has it; to the reason if no client can. */
type Deliver = (message: InboundMessage) => Promise<string | undefined>;

/** MQTT 5: the gateways that a message has passed through, one property for each. */
const PATH = "weir-path";
const GATEWAY_RECORD = "gateway.id";
/** Without bridges, a publish takes no detour. */
const NONE: Omit<Bridges, "gate"> = {
  start() {},
  problem: () => undefined,
  stop: async () => {},
  drain: async () => {},
};

interface Way {
  readonly bridge: Bridge;
  readonly outbox: OutboxWriter;
}

/**
 * Bridges to outside brokers (ADR 7). What comes in goes on like the publish of a device, and is acknowledged once the
 * log has it. What goes out waits in the log, stream BRIDGES, until the outside broker has acknowledged it. A message
 * never goes out by the bridge that it came in by, and a gateway that has seen it before drops it.
 */
export async function createBridges(
  configs: readonly BridgeConfig[],
  deps: Deps & { readonly member: string; readonly next: PublishGate },
): Promise<Bridges> {
  const { log, clock, logger, metrics, member, next } = deps;
  if (configs.length === 0) return { ...NONE, gate: next };
  const events = createBridgeEvents(logger, metrics);
  const crossing = new Crossing({ next, events, id: await gatewayId(log) });
  const start = randomBytes(6).toString("base64url");
  const accept: BridgeDeps["accept"] = (message, to, done) => crossing.pass(message, to, done);
  const bridges = configs.map((config) => new Bridge(config, { log, clock, events, accept, member, id: start }));
  const ways = bridges.map((bridge) => ({ bridge, outbox: new OutboxWriter(log, bridge.config.name) }));
  crossing.ways = ways;
  return {
    // The broker itself gives what is published there to its clients.
    gate: { accept: (message, done) => crossing.pass(message, "readings", done) },
    start(deliver) {
      crossing.deliver = deliver;
      for (const bridge of bridges) bridge.start();
    },
    problem() {
      const problems = bridges.flatMap((bridge) => bridge.problem() ?? []);
      return problems.length === 0 ? undefined : problems.join("; ");
    },
    async stop() {
      await Promise.all(bridges.map((bridge) => bridge.stop()));
    },
    async drain() {
      await Promise.all(ways.map(({ outbox }) => outbox.drain()));
    },
  };
}

/** Where each message goes on. */
class Crossing {
  readonly #options: { readonly next: PublishGate; readonly events: BridgeEvents; readonly id: string };
  ways: readonly Way[] = [];
  deliver: Deliver = async () => undefined;

  constructor(options: { readonly next: PublishGate; readonly events: BridgeEvents; readonly id: string }) {
    this.#options = options;
  }

  pass(message: InboundMessage, to: IncomingConfig["to"], done: PublishDone): void {
    const { next, events, id } = this.#options;
    const path = pathOf(message.properties);
    if (path.includes(id)) {
      const why = "it has been here before: bridges lead it in a circle";
      events.dropped(message.bridge ?? "", "loop", { topic: message.topic, why });
      done();
      return;
    }
    let open = 1;
    let failure: Error | undefined;
    let kept: PublishOutcome | undefined;
    const one: PublishDone = (error, outcome) => {
      failure ??= error;
      kept ??= outcome;
      open--;
      if (open === 0) done(failure, kept);
    };
    for (const { bridge, outbox } of this.ways) {
      const outgoing = outgoingOf(message, bridge, path, id, events);
      if (outgoing === undefined) continue;
      open++;
      if (outbox.add(outgoing, one)) continue;
      open--;
      events.dropped(bridge.config.name, "too-large", { topic: outgoing.topic, why: "it is too large for the log" });
    }
    if (to !== "readings") {
      open++;
      this.#deliver(message).then(
        () => one(),
        (error: unknown) => one(asError(error)),
      );
    }
    if (to === "clients") one();
    else next.accept(message, one);
  }

  async #deliver(message: InboundMessage): Promise<void> {
    const fault = await this.deliver(message);
    if (fault === undefined) return;
    const why = `clients cannot subscribe to its topic here (${fault})`;
    this.#options.events.dropped(message.bridge ?? "", "topic", { topic: message.topic, why });
  }
}

function outgoingOf(
  message: InboundMessage,
  { config, outgoing }: Bridge,
  path: readonly string[],
  id: string,
  events: BridgeEvents,
): OutgoingMessage | undefined {
  // What it brought in is known at the other side.
  if (message.bridge === config.name) return undefined;
  const mapped = outgoing.apply(message.topic);
  if (mapped === undefined) return undefined;
  const { topic, extra } = mapped;
  if (path.length >= config.hops_max) {
    const why = `it has passed through ${path.length} gateways, and hops_max is ${config.hops_max}`;
    events.dropped(config.name, "hops", { topic, why });
    return undefined;
  }
  const retain = extra.retain === "keep" ? message.retain : extra.retain === "always";
  const others = message.properties?.userProperties ?? [];
  const properties: MessageProperties = { ...message.properties, userProperties: [...others, [PATH, id]] };
  return { topic, payload: message.payload, qos: extra.qos, retain, properties };
}

function pathOf(properties: MessageProperties | undefined): readonly string[] {
  return properties?.userProperties?.flatMap(([name, value]) => (name === PATH ? [value] : [])) ?? [];
}

/** Names the log, and with it all gateways that share it. */
async function gatewayId(log: Log): Promise<string> {
  for (;;) {
    const found = await log.records.get(GATEWAY_RECORD);
    if (found !== undefined && found.value.length > 0) return new TextDecoder().decode(found.value);
    const id = randomBytes(12).toString("base64url");
    try {
      await log.records.set(GATEWAY_RECORD, new TextEncoder().encode(id), found?.revision ?? 0);
      return id;
    } catch (error) {
      // Another edge that starts now was faster.
      if (!(error instanceof ConflictError)) throw error;
    }
  }
}
