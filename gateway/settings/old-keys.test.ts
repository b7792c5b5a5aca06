import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { BadFileError } from "../../platform/files/yaml-file.ts";
import { OLD_KEYS } from "./old-keys.ts";
import { pipelineJsonSchema, readPipelineConfig } from "./pipeline-config.ts";

/** Every key of weir.yaml from before version 1.0 that has another name now. */
const OLD = `\
ingest:
  frame: { readingsMax: 500, lingerMs: 2 }
  limits: { readingsPerMessageMax: 5000, nestingMax: 8, textBytesMax: 4096, topicsMax: 200000 }
  bridge: { url: "mqtt://h", topics: [a], clientId: weir, password: hunter2 }
broker:
  wsOrigins: []
  usersFile: users.yaml
  tls: { certFile: a.pem, keyFile: b.pem }
  limits:
    clientsMax: 10000
    packetBytesMax: 262144
    inflightPerClientMax: 256
    inflightMax: 50000
    inflightBytesMax: 67108864
    topicLevelsMax: 32
    clientIdBytesMax: 256
    keepaliveSecondsMax: 90
    connectTimeoutMs: 10000
    drainTimeoutMs: 5000
    subscriberBacklogBytesMax: 1048576
    subscriberBacklogBytesClose: 8388608
    subscriptionsPerClientMax: 1000
    sessionsMax: 20000
    sessionExpirySeconds: 86400
    queuedPerSessionMax: 1000
    queuedBytesMax: 67108864
    qos2PerClientMax: 1000
    retainedMax: 10000
    retainedBytesMax: 67108864
    passwordChecksMax: 2
    passwordQueueMax: 10000
    loginFailuresPerMinuteMax: 20
processors: { tickMs: 1000, checkpointMs: 10000, leaseMs: 4000, resultsPerFrameMax: 2000 }
storage:
  batchRows: 10000
  seriesMax: 500000
  duckdb: { file: h.duckdb, memoryMaxMb: 256, threads: 2 }
notifier:
  externalUrl: http://weir.example
  receivers:
    ops:
      - webhook: { urlEnv: A, headersEnv: { authorization: B }, secretEnv: C }
      - webhook: { urlFile: a, secretFile: c }
      - mqtt: { username: u, passwordEnv: D }
      - email: { host: h, from: a@b, to: [a@b], passwordFile: d, caFile: ca.pem }
      - alertmanager: { urlEnv: E }
feed:
  allowedOrigins: []
  tokens: [{ name: a, tokenEnv: T }]
  limits:
    clientsMax: 2000
    subscriptionsMax: 64
    unauthenticatedMax: 100
    authWaitMsMax: 5000
    subscribesPerSecond: 50
    frameBytesMax: 65536
    bufferedBytesCoalesce: 262144
    bufferedBytesMax: 4194304
    alertsWaitMsMax: 5000
    resumeEntriesMax: 10000
  history:
    windowsPerSeries: 240
    windowsMax: 100000
    incidentsMax: 2000
    alertChangesMax: 10000
    devicesMax: 50000
    seriesMax: 200000
    instancesMax: 100
    lookbackEntries: 50000
log:
  readings: { maxAge: 24h, maxMebibytes: 10240 }
  deadLetters: { maxAge: 30d }
`;

function problemsOf(text: string): BadFileError["problems"] {
  const folder = mkdtempSync(join(tmpdir(), "weir-old-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "weir.yaml");
  writeFileSync(file, text);
  try {
    readPipelineConfig(file);
  } catch (error) {
    if (error instanceof BadFileError) return error.problems;
    throw error;
  }
  return [];
}

test("the answer to every key of an old weir.yaml is its new name, in the order of the file", () => {
  const problems = problemsOf(OLD);
  const text = problems.map(({ message }) => message).join("\n");
  expect(text).not.toContain("unknown key");
  const camel = [...OLD.matchAll(/\b([a-z]+(?:[0-9]*[A-Z][A-Za-z0-9]*)+)(?=:)/g)].map(([, key]) => key);
  expect(camel.length).toBeGreaterThan(70);
  // Keys below a moved key are answered once it is in its new place.
  const later = new Set(["memoryMaxMb", "clientId"]);
  for (const key of camel) {
    if (!later.has(key ?? "")) expect(text).toMatch(new RegExp(`\\b${key}\` is (?:now|not a key)`));
  }
  const places = problems.map(({ line, column }) => line * 1_000 + column);
  expect(places).toEqual([...places].sort((a, b) => a - b));
  const moved = problemsOf("storage: { stores: [{ duckdb: { memoryMaxMb: 256 } }] }\n");
  expect(moved[0]?.message).toMatch(/memoryMaxMb` is not a key; write memory_max: 256MiB$/);
});

test("the answer to a number with its unit in the key has the unit in the value", () => {
  const text = problemsOf(OLD)
    .map(({ message }) => message)
    .join("\n");
  for (const line of [
    "`ingest.frame.lingerMs` is not a key; write linger: 2ms",
    "`broker.limits.keepaliveSecondsMax` is not a key; write keepalive_max: 1m30s",
    "`broker.limits.packetBytesMax` is not a key; write packet_size_max: 256KiB",
    "`processors.checkpointMs` is not a key; write checkpoint: 10s",
    "`storage.duckdb` is not a key; write stores: [{ duckdb: ... }] with its fields",
    "`feed.tokens.0.tokenEnv` is now `feed.tokens.0.token_env`; write token_env: here",
    "`log.readings.maxMebibytes` is not a key; write max_size: 10GiB",
    "`log.deadLetters` is now `log.dead_letters`; write dead_letters: here",
  ]) {
    expect(text).toContain(line);
  }
});

test("a secret in the file is not repeated in its message", () => {
  const problems = problemsOf(
    "bridges: [{ name: a, url: 'mqtt://u:hunter2@h', username: u, password: hunter2, in: [{ remote: a }] }]\n",
  );
  expect(problems.map(({ message }) => message)).toEqual([
    "bridges.0.url: must not hold a user name or password; use username and password_env (or password_file)",
    "`bridges.0.password` is not a key; a secret must not be in this file: write password_env or password_file",
  ]);
  const old = problemsOf("ingest: { bridge: { url: 'mqtt://u:hunter2@h', topics: [a], password: hunter2 } }\n");
  expect(old.map(({ message }) => message)).toEqual([
    "`ingest.bridge` is not a key; write it as an entry of the list bridges, with a name, and each of its topics as remote of an entry of in (docs/bridges.md)",
  ]);
  expect(JSON.stringify(old)).not.toContain("hunter2");
  expect(JSON.stringify(problems)).not.toContain("hunter2");
});

test("every key in an answer exists in the configuration", () => {
  const schema = JSON.stringify(pipelineJsonSchema());
  for (const answer of Object.values(OLD_KEYS)) {
    if (answer.kind === "moved") continue;
    for (const key of answer.to.split(/, | or /)) expect(schema).toContain(`"${key}"`);
  }
});
