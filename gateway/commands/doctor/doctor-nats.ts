import { reasonOf } from "../../../domain/reason.ts";
import type { StreamName } from "../../../domain/subjects.ts";
import { STREAMS } from "../../../domain/subjects.ts";
import { formatDurationUs, formatInstantUs } from "../../../domain/time.ts";
import { systemClock } from "../../../platform/clock.ts";
import { instantUs } from "../../../platform/log/jetstream-stores.ts";
import { ALL_STREAMS, type JetStreamProbe, type ProbedStream, probeJetStream } from "../../../platform/log/probe.ts";
import { DUPLICATE_WINDOW_MS, type StreamDifference, streamDifferences } from "../../../platform/log/streams.ts";
import { findNatsServerHere } from "../../../platform/nats-server/find-binary.ts";
import type { PipelineConfig } from "../../settings/pipeline-config.ts";
import { logRetentions, natsOf } from "../../settings/plan.ts";
import type { Settings } from "../../settings/settings.ts";

const TIMEOUT_MS = 3_000;
const MIB = 1_048_576;
const NS_PER_US = 1_000;

export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  /** Nothing is wrong, but it is worth knowing. */
  readonly note?: true;
  readonly detail: string;
}

type Ready = Extract<JetStreamProbe, { state: "ready" }>;

/** The NATS server, and what a start would change there. Only reads. `config`: undefined if it cannot be read. */
export async function natsFindings(
  settings: Pick<Settings, "natsUrl" | "natsToken">,
  config: PipelineConfig | undefined,
): Promise<Finding[]> {
  let nats: ReturnType<typeof natsOf>;
  try {
    nats = natsOf(settings, config ?? { nats: {} }, process.env);
  } catch (error) {
    return [{ what: "NATS", ok: false, detail: reasonOf(error) }];
  }
  if (nats === undefined) return [await ownServer()];
  const { url, token } = nats;
  const probe = await probeJetStream({
    servers: url,
    name: "weir-doctor",
    timeoutMs: TIMEOUT_MS,
    records: ["partitions"],
    ...(token === undefined ? {} : { token }),
  });
  if (probe.state !== "ready") {
    return [{ what: "NATS", ok: false, detail: whyNot(probe, url, token !== undefined) }];
  }
  const findings = [serverFinding(probe, url), streamsFinding(probe)];
  return config === undefined
    ? findings
    : [...findings, ...partitionsFinding(probe, config), ...differenceFindings(probe, config)];
}

async function ownServer(): Promise<Finding> {
  const { found, before } = await findNatsServerHere();
  const first = before.join(", or else ");
  if (found === undefined) {
    const detail = `no nats-server on this machine; a start would ${first}\nor put one on PATH, or name a server with --nats-url (WEIR_NATS_URL) or nats.url in weir.yaml`;
    return { what: "NATS", ok: true, note: true, detail };
  }
  const own = `${found.path} ${found.version}`;
  if (before.length === 0) return { what: "NATS", ok: true, detail: `${own} will be started` };
  return { what: "NATS", ok: true, note: true, detail: `${own} is old: a start would ${first}, or else use it` };
}

function whyNot(probe: Exclude<JetStreamProbe, Ready>, url: string, withToken: boolean): string {
  switch (probe.state) {
    case "unreachable":
      return `no answer from ${url}: ${probe.reason}`;
    case "refused":
      return withToken
        ? `${url} refuses the token (${probe.reason}); give the right one with --nats-token (WEIR_NATS_TOKEN) or nats.token_env in weir.yaml`
        : `${url} asks for a token (${probe.reason}); give it with --nats-token (WEIR_NATS_TOKEN) or nats.token_env in weir.yaml`;
    case "no-jetstream":
      return `${url} (nats-server ${probe.version}) has no JetStream; start it with -js, or with jetstream {} in its configuration`;
    case "silent":
      return `${url} (nats-server ${probe.version}) answers, but its JetStream does not: ${probe.reason}`;
  }
}

function serverFinding({ version, account, durability }: Ready, url: string): Finding {
  const { storageBytes, storageBytesMax } = account;
  const limit = storageBytesMax < 0 ? "no limit" : `a limit of ${mebibytes(storageBytesMax)}`;
  const worth =
    durability === "unknown"
      ? "unknown (on disk only if the server has sync_interval: always, which it does not say)"
      : durability;
  const detail = `${url} answers: nats-server ${version}; its account keeps ${mebibytes(storageBytes)}, with ${limit}; durability of an acknowledgement: ${worth}`;
  return { what: "NATS", ok: true, detail };
}

function streamsFinding({ streams }: Ready): Finding {
  const missing = ALL_STREAMS.filter((name) => !streams.has(name));
  if (streams.size === 0) {
    return { what: "log", ok: true, detail: "no streams of Weir yet; its first start there creates them" };
  }
  const there = `${missing.length === 0 ? "all " : ""}${streams.size} streams of Weir exist`;
  const rest = missing.length === 0 ? "" : `; the next start creates ${missing.join(", ")}`;
  const lines = STREAMS.flatMap((name) => {
    const stream = streams.get(name);
    return stream === undefined ? [] : [`${name.padEnd(13)} ${keptBy(stream)}`];
  });
  return { what: "log", ok: true, detail: [`${there}${rest}`, ...lines].join("\n") };
}

function keptBy({ config, state }: ProbedStream): string {
  const age = config.max_age > 0 ? formatDurationUs(config.max_age / NS_PER_US) : "any age";
  const size = config.max_bytes > 0 ? mebibytes(config.max_bytes) : "any size";
  return `keeps ${age}, ${size}; holds ${state.messages} messages, ${mebibytes(state.bytes)}`;
}

function partitionsFinding({ record }: Ready, { partitions }: PipelineConfig): Finding[] {
  const before = record("partitions");
  if (before === undefined || Number(before) === partitions) return [];
  const detail = `weir.yaml says ${partitions}, the log was created with ${before}: set partitions: ${before}`;
  return [{ what: "partitions", ok: false, detail }];
}

function differenceFindings({ streams, version }: Ready, config: PipelineConfig): Finding[] {
  const options = {
    retention: logRetentions(config),
    replicas: config.log.replicas,
    duplicateWindowMs: DUPLICATE_WINDOW_MS,
    serverVersion: version,
  };
  return STREAMS.flatMap((name: StreamName) => {
    const stream = streams.get(name);
    if (stream === undefined) return [];
    const differences = streamDifferences(name, stream.config, options);
    if (differences.length === 0) return [];
    const drops = whatIsDropped(stream, differences);
    const text = `differs from this weir.yaml: ${differences.map(differenceText).join(", ")}`;
    const detail = drops === "" ? text : `${text}; ${drops}`;
    return [{ what: `stream ${name}`, ...(drops === "" ? { ok: true, note: true as const } : { ok: false }), detail }];
  });
}

/** What the stream holds beyond the new bounds; empty if nothing. */
function whatIsDropped({ state }: ProbedStream, differences: readonly StreamDifference[]): string {
  const wanted = new Map(differences.map((each) => [each.key, Number(each.wanted)]));
  const bytesMax = wanted.get("max_bytes") ?? 0;
  const maxAgeUs = (wanted.get("max_age") ?? 0) / NS_PER_US;
  const fromUs = instantUs(state.first_ts);
  const tooLarge = bytesMax > 0 && state.bytes > bytesMax;
  const tooOld = maxAgeUs > 0 && state.messages > 0 && systemClock.nowUs() - fromUs > maxAgeUs;
  if (!tooLarge && !tooOld) return "";
  return `it holds ${mebibytes(state.bytes)}, since ${formatInstantUs(fromUs)}, and a start with this weir.yaml drops the oldest`;
}

function differenceText({ key, given, wanted }: StreamDifference): string {
  return `${key} ${settingText(key, given)} instead of ${settingText(key, wanted)}`;
}

function settingText(key: StreamDifference["key"], value: unknown): string {
  if (typeof value !== "number") return String(value);
  switch (key) {
    case "max_bytes":
      return value > 0 ? mebibytes(value) : "any size";
    case "max_age":
    case "duplicate_window":
      return value > 0 ? formatDurationUs(value / NS_PER_US) : "none";
    default:
      return String(value);
  }
}

function mebibytes(bytes: number): string {
  const count = bytes / MIB;
  return `${Number.isInteger(count) ? count : count.toFixed(1)} MiB`;
}
