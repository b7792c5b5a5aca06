import mqtt, { type MqttClient } from "mqtt";
import type { Logger } from "pino";
import { reasonOf } from "../domain/reason.ts";
import { US_PER_MS } from "../domain/time.ts";
import type { Clock } from "../platform/clock.ts";
import type { Health, Service } from "../platform/service.ts";
import { type FleetConfig, passwordOf } from "./config.ts";
import { type ConnectionCounts, ConnectionEvents } from "./events.ts";
import { type DeviceMessage, type FaultCounts, FleetDevice } from "./fleet-device.ts";
import { createRandom } from "./random.ts";

export interface FleetDeps {
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface FleetReport extends Readonly<ConnectionCounts>, Readonly<FaultCounts> {
  readonly devices: number;
  /** Messages passed to a connection, by quality of service, including duplicates. */
  readonly sent: readonly [qos0: number, qos1: number, qos2: number];
  readonly readings: number;
  /** Messages of QoS 1 and 2 that the broker has acknowledged. */
  readonly acknowledged: number;
  /** Messages dropped because their connection had too many unacknowledged ones. */
  readonly overflowed: number;
  readonly ledgerOverflowed: number;
}

/** One reading that was passed to a connection. A duplicate has its own entry. */
export interface LedgerEntry {
  readonly device: string;
  readonly metric: string;
  readonly tsMs: number;
  readonly value: number;
  readonly qos: 0 | 1 | 2;
  acknowledged: boolean;
}

export interface FleetService extends Service {
  report(): FleetReport;
  /** Empty without `ledger` in the configuration. */
  ledger(): readonly Readonly<LedgerEntry>[];
  /** Resolves after `rounds`, once everything is acknowledged, or after `stop`. */
  readonly done: Promise<FleetReport>;
}

interface Connection {
  readonly client: MqttClient;
  inFlight: number;
}

const RECONNECT_MS = 1000;
const CONNECT_MS_MAX = 5_000;
const END_MS_MAX = 1000;
/** The devices of a fleet do not all send at once: a round is spread over the interval in at most this many steps. */
const STEPS_MAX = 20;

/** A host name with several addresses gives an error for each, and itself no text. */
function whyOf(error: Error): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  return reasonOf(first ?? error);
}

/** Starts simulated devices that publish to `sensors/<site>/<device>/telemetry`. Resolves before they are connected. */
export async function startFleet(config: FleetConfig, deps: FleetDeps): Promise<FleetService> {
  const fleet = new Fleet(config, deps);
  fleet.start();
  return fleet;
}

class Fleet implements FleetService {
  readonly name = "fleet";
  readonly #config: FleetConfig;
  readonly #deps: FleetDeps;
  readonly #events: ConnectionEvents;
  readonly #counts: ConnectionCounts & FaultCounts = {
    connected: 0,
    disconnected: 0,
    refused: 0,
    spikes: 0,
    dropouts: 0,
    silenced: 0,
    skewed: 0,
    duplicates: 0,
    outOfOrder: 0,
  };
  readonly #sent: [number, number, number] = [0, 0, 0];
  #readings = 0;
  #acknowledged = 0;
  #overflowed = 0;
  #ledgerOverflowed = 0;
  readonly #ledger: LedgerEntry[] = [];
  #devices: FleetDevice[] = [];
  #connections: Connection[] = [];
  #stepTimer: NodeJS.Timeout | undefined;
  #step = 0;
  #finishing: Promise<void> | undefined;
  readonly #done: Promise<FleetReport>;
  #resolveDone: (report: FleetReport) => void = () => undefined;
  #onSettled: () => void = () => undefined;

  constructor(config: FleetConfig, deps: FleetDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#events = new ConnectionEvents(deps.logger, this.#counts);
    this.#done = new Promise((resolve) => {
      this.#resolveDone = resolve;
    });
  }

  get done(): Promise<FleetReport> {
    return this.#done;
  }

  start(): void {
    const { devices, connections, seed } = this.#config;
    this.#devices = Array.from({ length: devices }, (_, i) => new FleetDevice(this.#config, i, this.#counts));
    const random = createRandom(seed);
    const run = crypto.randomUUID().slice(0, 8);
    const wanted = connections === "per-device" ? devices : Math.min(connections, devices);
    this.#connections = Array.from({ length: wanted }, (_, i) =>
      // The pause differs per connection: otherwise all would reconnect at the same moment.
      this.#connect(`fleet-${run}-${i}`, Math.round(RECONNECT_MS * (0.5 + random.next()))),
    );
    this.#scheduleStep();
  }

  health(): Health {
    const away = this.#connections.filter(({ client }) => !client.connected).length;
    return away === 0 ? { ready: true, detail: "" } : { ready: false, detail: `${away} connections are down` };
  }

  report(): FleetReport {
    return {
      ...this.#counts,
      devices: this.#devices.length,
      sent: [...this.#sent],
      readings: this.#readings,
      acknowledged: this.#acknowledged,
      overflowed: this.#overflowed,
      ledgerOverflowed: this.#ledgerOverflowed,
    };
  }

  ledger(): readonly Readonly<LedgerEntry>[] {
    return this.#ledger;
  }

  async stop(): Promise<void> {
    await this.#finish(this.#config.drain / US_PER_MS);
  }

  #connect(clientId: string, reconnectPeriod: number): Connection {
    const { url, username } = this.#config;
    const password = passwordOf(this.#config);
    const client = mqtt.connect(url, {
      clientId,
      clean: true,
      reconnectPeriod,
      reconnectOnConnackError: true,
      connectTimeout: CONNECT_MS_MAX,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    });
    let open = false;
    let why = "connection closed";
    client.on("connect", () => {
      open = true;
      this.#events.connectionOpened(clientId, 0);
    });
    client.on("error", (error) => {
      why = whyOf(error);
      if ("code" in error && typeof error.code === "number") this.#events.connectionRefused(clientId, error.code);
    });
    let reported = false;
    client.on("close", () => {
      // A broker that never answered counts once, not with each attempt.
      if (this.#finishing !== undefined) return;
      if (open || !reported) this.#events.connectionLost(clientId, why);
      else this.#events.attemptFailed(clientId, why);
      reported = true;
      open = false;
    });
    return { client, inFlight: 0 };
  }

  #scheduleStep(): void {
    const { interval, devices } = this.#config;
    const intervalMs = interval / US_PER_MS;
    const steps = Math.min(devices, STEPS_MAX);
    this.#stepTimer = setTimeout(() => this.#takeStep(steps), intervalMs / steps);
  }

  #takeStep(steps: number): void {
    const nowMs = Math.floor(this.#deps.clock.nowUs() / 1000);
    for (let i = this.#step % steps; i < this.#devices.length; i += steps) {
      for (const message of this.#devices[i]?.next(nowMs) ?? []) this.#send(i, message);
    }
    this.#step += 1;
    if (this.#step === (this.#config.rounds ?? Number.POSITIVE_INFINITY) * steps) void this.#finish();
    else this.#scheduleStep();
  }

  #send(index: number, { topic, qos, device, tsMs, values }: DeviceMessage): void {
    const connection = this.#connections[index % this.#connections.length];
    if (connection === undefined) return;
    if (connection.inFlight >= this.#config.inflight_max) {
      this.#overflowed += 1;
      return;
    }
    const entries = this.#addToLedger({ device, tsMs, qos, values });
    connection.inFlight += 1;
    this.#sent[qos] += 1;
    this.#readings += Object.keys(values).length;
    connection.client.publish(topic, JSON.stringify({ ts: tsMs, ...values }), { qos }, (error) => {
      connection.inFlight -= 1;
      if (!error && qos > 0) {
        this.#acknowledged += 1;
        for (const entry of entries) entry.acknowledged = true;
      }
      if (connection.inFlight === 0) this.#onSettled();
    });
  }

  #addToLedger({ device, tsMs, qos, values }: Omit<DeviceMessage, "topic">): readonly LedgerEntry[] {
    if (!this.#config.ledger) return [];
    const entries: LedgerEntry[] = [];
    for (const [metric, value] of Object.entries(values)) {
      entries.push({ device, metric, tsMs, value, qos, acknowledged: false });
    }
    const room = this.#config.ledger_max - this.#ledger.length;
    this.#ledgerOverflowed += Math.max(0, entries.length - room);
    this.#ledger.push(...entries.slice(0, room));
    return entries;
  }

  /**
   * Sends the messages that are held back, waits for acknowledgements (without `drainMs`, indefinitely), and
   * disconnects.
   */
  #finish(drainMs?: number): Promise<void> {
    if (drainMs !== undefined) setTimeout(() => this.#abandon(), drainMs).unref();
    this.#finishing ??= this.#drainAndEnd();
    return this.#finishing;
  }

  #abandon: () => void = () => undefined;

  async #drainAndEnd(): Promise<void> {
    clearTimeout(this.#stepTimer);
    for (const [i, device] of this.#devices.entries()) for (const message of device.heldBack()) this.#send(i, message);
    await new Promise<void>((resolve) => {
      this.#abandon = resolve;
      this.#onSettled = () => {
        if (this.#connections.every(({ inFlight }) => inFlight === 0)) resolve();
      };
      this.#onSettled();
    });
    await Promise.all(this.#connections.map(endConnection));
    const report = this.report();
    this.#deps.logger.info({ report }, "the fleet ended");
    this.#resolveDone(report);
  }
}

/**
 * Disconnects gracefully where that can succeed, so that QoS 0 messages are still sent; forcibly where it would hang.
 */
async function endConnection({ client, inFlight }: Connection): Promise<void> {
  if (client.connected && inFlight === 0) {
    const timer = setTimeout(() => client.end(true), END_MS_MAX);
    await client.endAsync(false);
    clearTimeout(timer);
  } else await client.endAsync(true);
}
