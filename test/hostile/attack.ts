import type { Door, Ports } from "./client.ts";
import { RawClient } from "./client.ts";

export interface AttackContext {
  readonly door: Door;
  readonly ports: Ports;
  readonly rulesDir: string;
  /** Attacks of a duration end then. */
  readonly untilMs: number;
  /** Makes names unique to this run of the attack. */
  readonly tag: string;
}

/** One way to harm a gateway and the devices at it. */
export interface Attack {
  readonly name: string;
  readonly doors: readonly Door[];
  /** Resolves to the number of messages that were acknowledged. */
  run(context: AttackContext): Promise<number>;
}

export const ALL_DOORS = ["tcp", "tls", "ws", "bridge", "bridge-tls"] as const satisfies readonly Door[];
/** Doors that are the gateway's own. */
export const OWN_DOORS = ["tcp", "tls", "ws"] as const satisfies readonly Door[];

export function isBridged(door: Door): boolean {
  return door === "bridge" || door === "bridge-tls";
}

const WINDOW = 500;
const BURST = 50;
const BRIDGED_MAX = 1_000;
const BACKLOG_BYTES_MAX = 1_048_576;
/** Our own process must not be what the honest device waits for. */
const SLICE_MS = 4;

export type NextMessage = (n: number) => readonly [topic: string, payload: string];

export function connectAttacker({ door, ports, tag }: AttackContext, n: number): Promise<RawClient> {
  return RawClient.connected(door, ports, `attacker-${tag}-${n}`);
}

/** Several clients publish as fast as they are acknowledged, with many messages in flight. */
export async function flood(context: AttackContext, clientCount: number, next: NextMessage): Promise<number> {
  const clients = await Promise.all(Array.from({ length: clientCount }, (_, n) => connectAttacker(context, n)));
  let n = 0;
  // An outside broker acknowledges at once, so only the number bounds what the bridge must then work off.
  const most = isBridged(context.door) ? BRIDGED_MAX : Number.POSITIVE_INFINITY;
  while (performance.now() < context.untilMs && n < most) {
    const endMs = performance.now() + SLICE_MS;
    for (const client of clients) {
      for (let i = 0; i < BURST && client.inFlight < WINDOW && client.backlog < BACKLOG_BYTES_MAX; i++) {
        const [topic, payload] = next(n++);
        client.publish(topic, payload);
        if (performance.now() > endMs) break;
      }
    }
    await pause();
  }
  return await finish(clients);
}

/** One client publishes each message some times over. */
export async function publishEach(
  context: AttackContext,
  messages: readonly (readonly [string, string, ...unknown[]])[],
  times: number,
): Promise<number> {
  const client = await connectAttacker(context, 0);
  for (let i = 0; i < times; i++) {
    for (const [topic, payload] of messages) {
      while (client.backlog > BACKLOG_BYTES_MAX && !client.closed) await pause();
      client.publish(topic, payload);
      await pause();
    }
  }
  return await finish([client]);
}

/** Waits for all acknowledgements, then disconnects. */
export async function finish(clients: readonly RawClient[]): Promise<number> {
  await Promise.all(clients.map((client) => client.settled()));
  for (const client of clients) client.end();
  return clients.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
}

export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
