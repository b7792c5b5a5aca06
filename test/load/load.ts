import { LatencyHistogram, type LatencySummary } from "./latency-histogram.ts";
import { LoadClient, type LoadSink } from "./load-client.ts";
import { type ProtocolVersion, publishTemplate } from "./packets.ts";

export interface LoadOptions {
  readonly host?: string;
  readonly port: number;
  readonly clients: number;
  readonly inflightPerClient: number;
  /** Stop after this many messages, or after this time; one of the two is needed. */
  readonly messages?: number;
  readonly seconds?: number;
  /** Not counted: time for both sides to warm up. Default 0. */
  readonly warmupSeconds?: number;
  /** Messages a second of all clients together; as fast as acknowledgements arrive when left out. Not with QoS 0. */
  readonly rate?: number;
  readonly qos?: 0 | 1 | 2;
  /** Default: 4, MQTT 3.1.1. */
  readonly version?: ProtocolVersion;
  /** Client n publishes as device n modulo this. Default: one device per client. */
  readonly devices?: number;
  /** `{device}`, `{site}` and `{client}` are filled in. */
  readonly topic?: string;
  /** `{device}`, `{site}` and `{client}` are filled in once, `{ts}` (microseconds, 16 digits) in each message. */
  readonly payload?: string;
  readonly clientIdPrefix?: string;
  readonly username?: string;
  readonly password?: string;
}

export interface LoadReport {
  readonly sent: number;
  /** With QoS 0 nothing is acknowledged: the messages sent. */
  readonly acknowledged: number;
  readonly seconds: number;
  /** Acknowledged messages per second. */
  readonly rate: number;
  readonly latency: LatencySummary;
  readonly failedClients: number;
  readonly firstError: string | undefined;
  /** CPU seconds of the generator's own process. */
  readonly cpuSeconds: number;
}

export const DEFAULT_TOPIC = "sensors/{site}/{device}/telemetry";
export const DEFAULT_PAYLOAD = '{"ts":{ts},"temperature":21.53,"humidity":45.1,"pressure":1013.25}';
const SITES = ["north", "south", "east", "west"];
const CONNECTS_AT_ONCE = 100;
const DRAIN_MS_MAX = 10_000;
const POLL_MS = 5;

/** Connects the clients, keeps each one's slots full until the end, and waits for what is still in flight. */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  if (options.messages === undefined && options.seconds === undefined) {
    throw new Error("load needs `messages` or `seconds`");
  }
  const run = new LoadRun(options.messages ?? Number.POSITIVE_INFINITY, options.rate !== undefined);
  const clients = Array.from({ length: options.clients }, (_, index) => loadClient(options, index, run));
  for (let i = 0; i < clients.length; i += CONNECTS_AT_ONCE) {
    await Promise.all(clients.slice(i, i + CONNECTS_AT_ONCE).map((client) => client.connect()));
  }
  const startedMs = performance.now();
  const warmMs = startedMs + (options.warmupSeconds ?? 0) * 1000;
  let cpuBefore = process.cpuUsage();
  let fromMs = startedMs;
  for (const client of clients) client.start();
  const stopPacing = options.rate === undefined ? undefined : pace(clients, run, options.rate);
  if (options.warmupSeconds !== undefined) {
    while (performance.now() < warmMs) await pause();
    run.measure();
    cpuBefore = process.cpuUsage();
    fromMs = performance.now();
  }
  const endMs = options.seconds === undefined ? Number.POSITIVE_INFINITY : fromMs + options.seconds * 1000;
  const alive = () => clients.some((client) => client.error === undefined);
  while (performance.now() < endMs && !run.finished(options.qos ?? 1) && alive()) await pause();
  const toMs = performance.now();
  const cpu = process.cpuUsage(cpuBefore);
  const report = run.report(options.qos ?? 1, (toMs - fromMs) / 1000);
  stopPacing?.();
  await run.drain(options.qos ?? 1, alive);
  const failed = clients.filter((client) => client.error !== undefined);
  for (const client of clients) client.close();
  return {
    ...report,
    failedClients: failed.length,
    firstError: failed[0]?.error?.message,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
  };
}

/** Allows messages in small steps and deals them to the clients in turn. Returns a function that stops it. */
function pace(clients: readonly LoadClient[], run: LoadRun, rate: number): () => void {
  const startedMs = performance.now();
  let allowed = 0;
  let next = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedMs) / 1000) * rate) - allowed;
    allowed += due;
    run.allow(due);
    for (let i = 0; i < clients.length && run.allowed > 0; i++) clients[next++ % clients.length]?.sendOne();
  }, POLL_MS);
  return () => clearInterval(timer);
}

function loadClient(options: LoadOptions, index: number, sink: LoadSink): LoadClient {
  const number = index % (options.devices ?? options.clients);
  const names = {
    device: `device-${String(number).padStart(5, "0")}`,
    site: SITES[number % SITES.length] ?? "north",
    client: `${options.clientIdPrefix ?? "load"}-${index}`,
  };
  const fill = (template: string) =>
    template.replace(/\{(device|site|client)\}/g, (_, name: keyof typeof names) => names[name]);
  const { qos = 1, version = 4, topic = DEFAULT_TOPIC, payload = DEFAULT_PAYLOAD } = options;
  return new LoadClient({
    host: options.host ?? "127.0.0.1",
    port: options.port,
    clientId: names.client,
    template: publishTemplate(fill(topic), fill(payload), qos, version),
    qos,
    version,
    inflight: options.inflightPerClient,
    sink,
    ...(options.username === undefined ? {} : { username: fill(options.username) }),
    ...(options.password === undefined ? {} : { password: options.password }),
  });
}

/** The shared figures of a run. */
class LoadRun implements LoadSink {
  private left: number;
  allowed: number;
  private sentAll = 0;
  private acknowledgedAll = 0;
  private sentBefore = 0;
  private acknowledgedBefore = 0;
  private histogram = new LatencyHistogram();

  constructor(messages: number, paced: boolean) {
    this.left = messages;
    this.allowed = paced ? 0 : Number.POSITIVE_INFINITY;
  }

  /** Allows more messages; what no client can take stays allowed, up to about a second's worth. */
  allow(messages: number): void {
    this.allowed = Math.min(this.allowed + messages, messages * 200 + 1000);
  }

  nowUs(): number {
    return Math.round((performance.timeOrigin + performance.now()) * 1000);
  }

  take(): boolean {
    if (this.left <= 0 || this.allowed <= 0) return false;
    this.left--;
    this.allowed--;
    return true;
  }

  sent(messages: number): void {
    this.sentAll += messages;
  }

  acknowledged(latencyUs: number): void {
    this.acknowledgedAll++;
    this.histogram.add(latencyUs);
  }

  measure(): void {
    this.sentBefore = this.sentAll;
    this.acknowledgedBefore = this.acknowledgedAll;
    this.histogram = new LatencyHistogram();
  }

  finished(qos: number): boolean {
    return this.left <= 0 && (qos === 0 || this.acknowledgedAll >= this.sentAll);
  }

  report(qos: number, seconds: number) {
    const sent = this.sentAll - this.sentBefore;
    const acknowledged = qos === 0 ? sent : this.acknowledgedAll - this.acknowledgedBefore;
    return { sent, acknowledged, seconds, rate: Math.round(acknowledged / seconds), latency: this.histogram.summary() };
  }

  async drain(qos: number, alive: () => boolean): Promise<void> {
    this.left = 0;
    const endMs = performance.now() + DRAIN_MS_MAX;
    while (!this.finished(qos) && alive() && performance.now() < endMs) await pause();
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
