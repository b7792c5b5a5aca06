import { reasonOf } from "../../../domain/reason.ts";
import { STREAMS } from "../../../domain/subjects.ts";
import { systemClock } from "../../../platform/clock.ts";
import { limitsThatDelete } from "../../../platform/log/align-streams.ts";
import { ALL_STREAMS, type JetStreamProbe, type ProbedStream, probeJetStream } from "../../../platform/log/probe.ts";
import { differencesText, holdsText, limitsText, sizeText } from "../../../platform/log/stream-texts.ts";
import { DUPLICATE_WINDOW_MS, differencesOf, wantedConfigs } from "../../../platform/log/streams.ts";
import { findNatsServerHere } from "../../../platform/nats-server/find-binary.ts";
import type { PipelineConfig } from "../../settings/pipeline-config.ts";
import { logRetentions, natsOf } from "../../settings/plan.ts";
import type { Settings } from "../../settings/settings.ts";

const TIMEOUT_MS = 3_000;

export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  /** Nothing is wrong, but the user should know. */
  readonly note?: true;
  readonly detail: string;
}

type Ready = Extract<JetStreamProbe, { state: "ready" }>;

/**
 * The NATS server, and the changes that a start would make there. Only reads. `config`: undefined if it cannot be
 * read.
 */
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

export function whyNot(probe: Exclude<JetStreamProbe, Ready>, url: string, withToken: boolean): string {
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
  const limit = storageBytesMax < 0 ? "no limit" : `a limit of ${sizeText(storageBytesMax)}`;
  const worth =
    durability === "unknown"
      ? "unknown (on disk only if the server has sync_interval: always, which it does not say)"
      : durability;
  const detail = `${url} answers: nats-server ${version}; its account keeps ${sizeText(storageBytes)}, with ${limit}; durability of an acknowledgement: ${worth}`;
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
  return `keeps ${limitsText(config)}; holds ${state.messages} messages, ${sizeText(state.bytes)}`;
}

function partitionsFinding({ record }: Ready, { partitions }: PipelineConfig): Finding[] {
  const before = record("partitions");
  if (before === undefined || Number(before) === partitions) return [];
  const detail = `weir.yaml says ${partitions}, the log was created with ${before}: set partitions: ${before}`;
  return [{ what: "partitions", ok: false, detail }];
}

/** Notes, not faults: a start does not change an existing stream if that would delete messages. */
function differenceFindings({ streams, version }: Ready, config: PipelineConfig): Finding[] {
  const wanted = wantedConfigs({
    retention: logRetentions(config),
    replicas: config.log.replicas,
    duplicateWindowMs: DUPLICATE_WINDOW_MS,
    serverVersion: version,
  });
  return wanted.flatMap((each) => {
    const stream = streams.get(each.name);
    const differences = stream === undefined ? [] : differencesOf(each, stream.config);
    if (stream === undefined || differences.length === 0) return [];
    const deletes = limitsThatDelete(stream, each, systemClock.nowUs()).length > 0;
    const how = deletes
      ? `${holdsText(stream)}, and \`weir log apply\` deletes the oldest`
      : "apply it with: weir log apply";
    const detail = `differs from this weir.yaml: ${differencesText(differences)}; ${how}`;
    return [{ what: `stream ${each.name}`, ok: true, note: true as const, detail }];
  });
}
