import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import { pino } from "pino";
import type { AlertChange, AlertEvent, AlertState, Inhibitor, Severity } from "../../domain/alert.ts";
import { incidentId } from "../../domain/alert-ids.ts";
import { alertSubject } from "../../domain/subjects.ts";
import { formatInstantUs } from "../../domain/time.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Log } from "../../platform/log/port.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { notifierConfigSchema } from "../config.ts";
import type { NotifierDeps } from "../notifier.ts";

/** The start of the tests' alerts. */
export const T0 = 1_763_769_600_000_000;

export interface ChangeOptions {
  readonly rule?: string;
  readonly device?: string;
  readonly site?: string;
  /** Which incident of the alert: 1, 2... */
  readonly round?: number;
  readonly state?: AlertState;
  readonly atUs?: number;
  /** When its incident began; `atUs` by default. */
  readonly activeAtUs?: number;
  readonly severity?: Severity;
  readonly severityBefore?: Severity;
  readonly labels?: Readonly<Record<string, string>>;
  readonly notify?: readonly string[];
  readonly inhibitedBy?: readonly Inhibitor[];
  readonly muted?: true;
}

/** A change in the format of the processors. */
export function changeOf(options: ChangeOptions = {}): AlertChange {
  const { rule = "hot", device = "d1", site = "north", round = 1, state = "firing", atUs = T0 } = options;
  const incident = incidentId({ rule, keyHash: hashOf(device), activeAtUs: round });
  return {
    id: `${incident}-${state}${options.severityBefore ? `-${options.severity}` : ""}`,
    incident,
    rule,
    severity: options.severity ?? "warning",
    ...(options.severityBefore && { severityBefore: options.severityBefore }),
    from: state === "resolved" || options.severityBefore ? "firing" : "inactive",
    state,
    key: { device, site },
    labels: { device, site, ...options.labels },
    annotations: { summary: `${device} is warm` },
    atUs,
    processedAtUs: atUs,
    activeAtUs: options.activeAtUs ?? atUs,
    value: 9.5,
    notify: options.notify ?? ["ops"],
    ...(options.muted && { muted: true }),
    ...(options.inhibitedBy === undefined ? {} : { inhibitedBy: options.inhibitedBy }),
    evidence: {
      window: { startUs: atUs - 1, endUs: atUs },
      aggregate: "avg",
      value: 9.5,
      condition: "> 8",
      watermarkUs: atUs,
      input: { partition: 0, sequence: 1 },
    },
  };
}

export function hashOf(device: string): string {
  return Buffer.from(device).toString("hex").padStart(16, "0").slice(-16);
}

export function eventBytes(change: AlertChange): Uint8Array {
  const event: AlertEvent = {
    specversion: "1.0",
    id: change.id,
    source: "/weir/processors/0",
    type: "weir.alert.v1",
    subject: change.incident,
    time: formatInstantUs(change.processedAtUs),
    datacontenttype: "application/json",
    data: change,
  };
  return new TextEncoder().encode(JSON.stringify(event));
}

/** Writes a change to the alerts stream. */
export async function writeChange(log: Log, options: ChangeOptions = {}): Promise<AlertChange> {
  const change = changeOf(options);
  await log.append({
    subject: alertSubject(change.rule, hashOf(change.key.device ?? "")),
    payload: eventBytes(change),
  });
  return change;
}

export interface TestDeps extends NotifierDeps {
  readonly lines: readonly { readonly level: number; readonly msg: string }[];
  /** The sum of a metric over its series with these labels. */
  figure(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
}

/** Dependencies in memory, with a clock that the test may move. */
export function testDeps(
  given: { readonly log?: Log; readonly nowUs?: () => number; readonly environment?: Record<string, string> } = {},
): TestDeps {
  const lines: { level: number; msg: string }[] = [];
  const logger = pino({ level: "debug" }, { write: (text: string) => lines.push(JSON.parse(text)) });
  const metrics = createMetrics();
  const clock = { nowUs: given.nowUs ?? (() => Date.now() * 1_000) };
  return {
    ...{ clock, logger, metrics, lines, environment: given.environment ?? {} },
    log: given.log ?? createMemoryLog(clock),
    random: () => 0.5,
    async figure(name, labels = {}) {
      const metric = await metrics.registry.getSingleMetric(name)?.get();
      const matching = (metric?.values ?? []).filter((each) =>
        Object.entries(labels).every(([label, value]) =>
          Object.entries(each.labels).some(([l, v]) => l === label && v === value),
        ),
      );
      return matching.reduce((sum, { value }) => sum + value, 0);
    },
  };
}

export function configOf(receivers: unknown, others: Readonly<Record<string, unknown>> = {}) {
  return notifierConfigSchema.parse({ receivers, ...others });
}

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly json: Record<string, unknown>;
}

export interface Sink {
  readonly url: string;
  readonly received: Received[];
  /** The response; 204 by default. */
  answer: (request: Received, response: ServerResponse, count: number) => void;
  close(): Promise<void>;
}

/** A real HTTP server that records the requests it receives. */
export async function startSink(): Promise<Sink> {
  const received: Received[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const got = { path: request.url ?? "", headers: request.headers, body, json: JSON.parse(body) };
      received.push(got);
      sink.answer(got, response, received.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const sink: Sink = {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    answer: (_, response) => response.writeHead(204).end(),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return sink;
}

/** Polls until a condition holds. At the time limit it fails and names what it waited for. */
export async function eventually(what: string, holds: () => Promise<boolean> | boolean, msMax = 15_000): Promise<void> {
  const deadlineMs = performance.now() + msMax;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${msMax} ms until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const KEEP = { maxAgeMs: 3_600_000, maxBytes: 64 * 1_048_576 };
/** For a log on a real server. */
export const RETENTION = { readings: KEEP, windows: KEEP, alerts: KEEP, deadLetters: KEEP, notifications: KEEP };
