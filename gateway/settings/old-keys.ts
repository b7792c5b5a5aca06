import { formatSizeBytes } from "../../domain/size.ts";
import { formatDurationUs, US_PER_MS, US_PER_SECOND } from "../../domain/time.ts";
import { pathFits } from "../../platform/files/fault.ts";

/** The unit of a number under an old key. The answer writes the number with its unit. */
type Unit = "ms" | "s" | "B" | "MiB";

type Answer =
  | { readonly kind: "renamed"; readonly to: string; readonly unit?: Unit }
  | { readonly kind: "moved"; readonly how: string }
  | { readonly kind: "secret"; readonly to: string };

const renamed = (to: string, unit?: Unit): Answer => ({ kind: "renamed", to, ...(unit === undefined ? {} : { unit }) });
const secret = (to: string): Answer => ({ kind: "secret", to });

/** Keys of weir.yaml before version 1.0, and keys that would hold a secret. `*` is any key or list item. */
export const OLD_KEYS: Readonly<Record<string, Answer>> = {
  "ingest.frame.readingsMax": renamed("readings_max"),
  "ingest.frame.lingerMs": renamed("linger", "ms"),
  "ingest.limits.readingsPerMessageMax": renamed("readings_per_message_max"),
  "ingest.limits.nestingMax": renamed("nesting_max"),
  "ingest.limits.textBytesMax": renamed("text_size_max", "B"),
  "ingest.limits.topicsMax": renamed("topics_max"),
  "ingest.bridge": {
    kind: "moved",
    how: "write it as an entry of the list bridges, with a name, and each of its topics as remote of an entry of in (docs/bridges.md)",
  },
  "bridges.*.password": secret("password_env or password_file"),
  "broker.wsOrigins": renamed("ws_origins"),
  "broker.usersFile": renamed("users_file"),
  "broker.tls.certFile": renamed("cert_file"),
  "broker.tls.keyFile": renamed("key_file"),
  "broker.limits.clientsMax": renamed("clients_max"),
  "broker.limits.packetBytesMax": renamed("packet_size_max", "B"),
  "broker.limits.inflightPerClientMax": renamed("inflight_per_client_max"),
  "broker.limits.inflightMax": renamed("inflight_max"),
  "broker.limits.inflightBytesMax": renamed("inflight_size_max", "B"),
  "broker.limits.topicLevelsMax": renamed("topic_levels_max"),
  "broker.limits.clientIdBytesMax": renamed("client_id_size_max", "B"),
  "broker.limits.keepaliveSecondsMax": renamed("keepalive_max", "s"),
  "broker.limits.connectTimeoutMs": renamed("connect_timeout", "ms"),
  "broker.limits.drainTimeoutMs": renamed("drain_timeout", "ms"),
  "broker.limits.subscriberBacklogBytesMax": renamed("subscriber_backlog_size_max", "B"),
  "broker.limits.subscriberBacklogBytesClose": renamed("subscriber_backlog_size_close", "B"),
  "broker.limits.subscriptionsPerClientMax": renamed("subscriptions_per_client_max"),
  "broker.limits.sessionsMax": renamed("sessions_max"),
  "broker.limits.sessionExpirySeconds": renamed("session_expiry", "s"),
  "broker.limits.queuedPerSessionMax": renamed("queued_per_session_max"),
  "broker.limits.queuedBytesMax": renamed("queued_size_max", "B"),
  "broker.limits.qos2PerClientMax": renamed("qos2_per_client_max"),
  "broker.limits.retainedMax": renamed("retained_max"),
  "broker.limits.retainedBytesMax": renamed("retained_size_max", "B"),
  "broker.limits.passwordChecksMax": renamed("password_checks_max"),
  "broker.limits.passwordQueueMax": renamed("password_queue_max"),
  "broker.limits.loginFailuresPerMinuteMax": renamed("login_failures_per_minute_max"),
  "processors.tickMs": renamed("tick", "ms"),
  "processors.checkpointMs": renamed("checkpoint", "ms"),
  "processors.leaseMs": renamed("lease", "ms"),
  "processors.resultsPerFrameMax": renamed("results_per_frame_max"),
  "storage.batchRows": renamed("batch_rows_max"),
  "storage.seriesMax": renamed("series_max"),
  "storage.duckdb": { kind: "moved", how: "write stores: [{ duckdb: ... }] with its fields" },
  "storage.influx": { kind: "moved", how: "write stores: [{ influxdb: ... }] with its fields" },
  "storage.duckdb.memoryMaxMb": renamed("memory_max", "MiB"),
  "storage.stores.*.duckdb.memoryMaxMb": renamed("memory_max", "MiB"),
  "storage.stores.*.influxdb.token": secret("token_env or token_file"),
  "notifier.externalUrl": renamed("external_url"),
  "notifier.receivers.*.*.*.urlEnv": renamed("url_env"),
  "notifier.receivers.*.*.*.urlFile": renamed("url_file"),
  "notifier.receivers.*.*.webhook.secretEnv": renamed("secret_env"),
  "notifier.receivers.*.*.webhook.secretFile": renamed("secret_file"),
  "notifier.receivers.*.*.*.headersEnv": renamed("headers_env"),
  "notifier.receivers.*.*.*.passwordEnv": renamed("password_env"),
  "notifier.receivers.*.*.*.passwordFile": renamed("password_file"),
  "notifier.receivers.*.*.email.caFile": renamed("ca_file"),
  "notifier.receivers.*.*.webhook.secret": secret("secret_env or secret_file"),
  "notifier.receivers.*.*.*.password": secret("password_env or password_file"),
  "feed.allowedOrigins": renamed("allowed_origins"),
  "feed.tokens.*.tokenEnv": renamed("token_env"),
  "feed.tokens.*.token": secret("token_env, token_file or sha256"),
  "feed.limits.clientsMax": renamed("clients_max"),
  "feed.limits.subscriptionsMax": renamed("subscriptions_max"),
  "feed.limits.unauthenticatedMax": renamed("unauthenticated_max"),
  "feed.limits.authWaitMsMax": renamed("auth_wait_max", "ms"),
  "feed.limits.subscribesPerSecond": renamed("subscribes_per_second_max"),
  "feed.limits.frameBytesMax": renamed("frame_size_max", "B"),
  "feed.limits.bufferedBytesCoalesce": renamed("buffered_size_coalesce", "B"),
  "feed.limits.bufferedBytesMax": renamed("buffered_size_max", "B"),
  "feed.limits.alertsWaitMsMax": renamed("alerts_wait_max", "ms"),
  "feed.limits.resumeEntriesMax": renamed("resume_entries_max"),
  "feed.history.windowsPerSeries": renamed("windows_per_series_max"),
  "feed.history.windowsMax": renamed("windows_max"),
  "feed.history.incidentsMax": renamed("incidents_max"),
  "feed.history.alertChangesMax": renamed("alert_changes_max"),
  "feed.history.devicesMax": renamed("devices_max"),
  "feed.history.seriesMax": renamed("series_max"),
  "feed.history.instancesMax": renamed("instances_max"),
  "feed.history.lookbackEntries": renamed("lookback_entries_max"),
  "nats.token": secret("token_env or token_file"),
  "log.deadLetters": renamed("dead_letters"),
  "log.*.maxAge": renamed("max_age"),
  "log.*.maxMebibytes": renamed("max_size", "MiB"),
};

/** The keys of OLD_KEYS in a file, each with its answer, for `parseYaml`. */
export function renamedKeysIn(root: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    keysIn(root).flatMap(({ path, value }) => {
      const found = Object.entries(OLD_KEYS).find(([pattern]) => pathFits(path, pattern));
      return found === undefined ? [] : [[path.join("."), textOf(path, value, found[1])]];
    }),
  );
}

/** The new path, or a sentence. */
function textOf(path: readonly string[], value: unknown, answer: Answer): string {
  switch (answer.kind) {
    case "moved":
      return answer.how;
    case "secret":
      return `a secret must not be in this file: write ${answer.to}`;
    case "renamed": {
      const { to, unit } = answer;
      if (unit === undefined || typeof value !== "number") return [...path.slice(0, -1), to].join(".");
      return `write ${to}: ${withUnit(value, unit)}`;
    }
  }
}

function withUnit(value: number, unit: Unit): string {
  switch (unit) {
    case "ms":
      return formatDurationUs(value * US_PER_MS);
    case "s":
      return formatDurationUs(value * US_PER_SECOND);
    case "B":
      return formatSizeBytes(value);
    case "MiB":
      return formatSizeBytes(value * 1024 ** 2);
  }
}

interface Key {
  readonly path: readonly string[];
  readonly value: unknown;
}

function keysIn(value: unknown, path: readonly string[] = []): Key[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    { path: [...path, key], value: inner },
    ...keysIn(inner, [...path, key]),
  ]);
}

/** Keys under which people write a secret, and addresses that may contain one: no message shows their values. */
export const SECRET_PATHS: readonly string[] = [
  ...Object.entries(OLD_KEYS).flatMap(([path, { kind }]) => (kind === "secret" ? path : [])),
  "ingest.bridge.url",
  "ingest.bridge.password",
  "bridges.*.url",
  "nats.url",
  "storage.stores.*.influxdb.url",
  "notifier.receivers.*.*.*.url",
  "notifier.receivers.*.*.webhook.headers.*",
];
