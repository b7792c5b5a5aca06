import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parseDurationUs, US_PER_DAY } from "../../domain/time.ts";
import { FORMATS } from "../../ingest/formats/formats.ts";
import { packageRoot } from "./paths.ts";
import { pipelineConfigSchema, pipelineJsonSchema, readPipelineConfig } from "./pipeline-config.ts";

test("an empty configuration has a default for everything", () => {
  const config = pipelineConfigSchema.parse({});
  expect(config.partitions).toBe(4);
  expect(config.sources.map(({ topic }) => topic)).toEqual([
    "sensors/{site}/{device}/telemetry",
    "sensors/{site}/{device}/{metric}",
  ]);
  expect(config.log.readings).toEqual({ max_age: US_PER_DAY, max_size: 10 * 1024 ** 3 });
  expect(config.processors).toEqual({
    ...{ tick: 1_000_000, checkpoint: 10_000_000, lease: 4_000_000, results_per_frame_max: 2_000 },
  });
  expect(config.storage.stores).toEqual([{ duckdb: { memory_max: 256 * 1024 ** 2, threads: 2 } }]);
});

test("the published JSON Schema is the one of this version (`weir config schema > docs/weir.schema.json`)", () => {
  const published = JSON.parse(readFileSync(join(packageRoot(), "docs", "weir.schema.json"), "utf8"));
  expect(published).toEqual(JSON.parse(JSON.stringify(pipelineJsonSchema())));
});

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly description?: string;
  readonly default?: unknown;
  readonly pattern?: string;
}

/** Every key of the schema with its path. */
function keysOf(schema: JsonSchema, path: string): { path: string; key: string; schema: JsonSchema }[] {
  const inner = [
    ...Object.entries(schema.properties ?? {}),
    ...(typeof schema.additionalProperties === "object" ? [["*", schema.additionalProperties] as const] : []),
  ];
  return [
    ...inner.flatMap(([key, value]) => [
      { path: `${path}.${key}`, key, schema: value },
      ...keysOf(value, `${path}.${key}`),
    ]),
    ...(schema.items === undefined ? [] : keysOf(schema.items, `${path}[]`)),
    ...(schema.anyOf ?? []).flatMap((each) => keysOf(each, path)),
  ];
}

const KEYS = keysOf(JSON.parse(JSON.stringify(pipelineJsonSchema())), "").filter(({ key }) => key !== "*");

test("keys are snake_case, carry no units, and each has a description that ends like a sentence", () => {
  expect(KEYS.length).toBeGreaterThan(150);
  const odd = KEYS.filter(
    ({ key, schema }) =>
      (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(key) && !(key in FORMATS)) ||
      /_(ms|us|seconds|bytes|kib|mib|mb)(_|$)/.test(key) ||
      !/[.,:!]$/.test(schema.description ?? ""),
  );
  expect(odd.map(({ path, schema }) => `${path}: ${schema.description}`)).toEqual([]);
});

test.each([
  [
    "a number for a duration",
    "processors:\n  tick: 1000\n",
    "weir.yaml:2:9: 1000 has no unit; write tick: 1000s for seconds",
  ],
  [
    "a number for a size",
    "log:\n  readings: { max_size: 1024 }\n",
    "weir.yaml:2:25: 1024 has no unit; write max_size: 1024B for bytes, 1024KiB, 1024MiB or 1024GiB",
  ],
  [
    "a decimal unit",
    "log: { readings: { max_size: 10GB } }\n",
    'weir.yaml:1:30: log.readings.max_size: "10GB" is not a size; write for example 64MiB, 2GiB or 256B',
  ],
  [
    "a size out of bounds",
    "storage: { stores: [{ duckdb: { memory_max: 1MiB } }] }\n",
    "storage.stores.0.duckdb.memory_max: cannot be 1MiB; write a size from 64MiB to 1TiB",
  ],
  [
    "no store",
    "storage: { stores: [] }\n",
    "storage.stores: Weir writes to one store at least; write an entry: duckdb or influxdb",
  ],
  [
    "too many stores",
    "storage: { stores: [{ duckdb: {} }, { duckdb: {} }, { duckdb: {} }, { duckdb: {} }, { duckdb: {} }] }\n",
    "storage.stores: at most 4 stores",
  ],
  [
    "two kinds in one entry",
    "storage: { stores: [{ duckdb: {}, influxdb: { url: 'http://x', org: o, bucket: b } }] }\n",
    "storage.stores.0: must be exactly one of duckdb and influxdb",
  ],
  [
    "a password in an address",
    "nats: { url: 'nats://u:p@host:4222' }\n",
    "nats.url: must not hold a user name or password; use token_env or token_file",
  ],
  [
    "a password in the bridge's address",
    "bridges: [{ name: a, url: 'mqtt://u:p@h', in: [{ remote: a }] }]\n",
    "bridges.0.url: must not hold a user name or password; use username and password_env (or password_file)",
  ],
  [
    "a literal token",
    "nats: { token: abc }\n",
    "weir.yaml:1:9: `nats.token` is not a key; a secret must not be in this file: write token_env or token_file",
  ],
  [
    "a literal token of the feed",
    "feed: { tokens: [{ name: a, token: abc }] }\n",
    "`feed.tokens.0.token` is not a key; a secret must not be in this file: write token_env, token_file or sha256",
  ],
  [
    "a literal password of a target",
    "notifier: { receivers: { ops: [{ email: { host: h, from: a@b, to: [a@b], password: x } }] } }\n",
    "`notifier.receivers.ops.0.email.password` is not a key; a secret must not be in this file: write password_env or password_file",
  ],
  [
    "a secret header",
    "notifier: { receivers: { ops: [{ webhook: { url: 'http://x', headers: { Authorization: x } } }] } }\n",
    "notifier.receivers.ops.0.webhook.headers.Authorization: is a secret; give the name of an environment variable under headers_env instead",
  ],
  [
    "the address of a chat room",
    "notifier: { receivers: { ops: [{ webhook: { url: 'https://hooks.slack.com/services/T/B/x' } }] } }\n",
    "webhook.url: is a secret: everyone who knows this address can post to it; use url_env or url_file",
  ],
])("%s is an error that says what to write", (_, text, message) => {
  expect(problemsOf(text)).toContain(message);
});

/** What the file's problems print; empty when it is fine. */
function problemsOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "weir-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "weir.yaml");
  writeFileSync(file, text);
  try {
    readPipelineConfig(file);
    return "";
  } catch (error) {
    return String(error instanceof Error ? error.message : error).replaceAll(`${folder}/`, "");
  }
}

test("every default of a duration or a size is written with its unit and within its bounds", () => {
  const quantities = KEYS.filter(({ schema }) => schema.pattern?.includes("us|ms|s") && schema.default !== undefined);
  expect(quantities.length).toBeGreaterThan(20);
  for (const { path, schema } of quantities) expect(parseDurationUs(String(schema.default)), path).toBeDefined();
});
