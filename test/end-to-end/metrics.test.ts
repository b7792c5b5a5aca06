import mqtt from "mqtt";
import { afterEach, expect, test, vi } from "vitest";
import { lintMetrics } from "../servers/metrics-lint.ts";
import { startGateway } from "./kit.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const WAIT = { timeout: 30_000, interval: 200 };
const RULES = `rules:
  - { id: hot, where: { metric: temperature }, window: { tumbling: 1s }, aggregate: max, when: "> 50" }
  - { id: site, where: { metric: temperature }, group_by: [site], window: { tumbling: 1s }, aggregate: avg }
`;
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test.each([
  ["# HELP a_seconds A.\n# TYPE a_seconds gauge\na_seconds 1\n", []],
  ["# TYPE a_seconds gauge\na_seconds 1\n", ["a_seconds: no help text"]],
  ["# HELP a A.\na 1\n", ["a: no type"]],
  ["# HELP a_us A.\n# TYPE a_us gauge\na_us 1\n", ["a_us: an abbreviated unit"]],
  ["# HELP a_milliseconds A.\n# TYPE a_milliseconds gauge\n", ["a_milliseconds: use seconds, not milliseconds"]],
  ["# HELP a_days A.\n# TYPE a_days gauge\n", ["a_days: use seconds, not days"]],
  ["# HELP a A.\n# TYPE a counter\na 1\n", ['a: a counter ends in "_total"']],
  ["# HELP a_total A.\n# TYPE a_total gauge\n", ['a_total: only a counter ends in "_total"']],
  ["# HELP a_count A.\n# TYPE a_count gauge\na_count 1\n", ["a_count: a suffix of histograms"]],
  ["# HELP a_gauge A.\n# TYPE a_gauge gauge\n", ["a_gauge: the name contains its type, gauge"]],
  ["# HELP aB A.\n# TYPE aB gauge\n", ["aB: snake_case, not camelCase"]],
  ['# HELP a A.\n# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\n', ["a: a sample appears twice"]],
  ['# HELP a A.\n# TYPE a gauge\na{instance="x"} 1\n', [`a: "instance" is Prometheus' own label`]],
  ['# HELP a A.\n# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n', []],
])("the linter finds what promtool finds: %j", (text, problems) => {
  expect(lintMetrics(text)).toEqual(problems);
});

test("all metrics of a gateway are named as Prometheus recommends, say what runs, and show no lag when nothing waits", async () => {
  const gateway = await startGateway(undo, { files: { "rules/rules.yaml": RULES } });
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
  undo.push(() => client.endAsync(true));
  for (let i = 0; i < 20; i++) {
    const payload = JSON.stringify({ ts: Date.now() - 60_000 + i * 1_000, temperature: i * 5 });
    await client.publishAsync("sensors/north/d1/telemetry", payload, { qos: 1 });
  }
  await client.publishAsync("sensors/north/d1/telemetry", "not JSON", { qos: 1 });
  const read = async () => await (await fetch(`http://127.0.0.1:${gateway.info.httpPort}/metrics`)).text();
  await expect.poll(read, WAIT).toMatch(/^weir_processor_alerts_total\{/m);
  await expect.poll(read, WAIT).toMatch(/^weir_storage_points_total\{/m);
  // One of its services reports the process, a little later than the others report.
  await expect
    .poll(read, WAIT)
    .toMatch(
      /^weir_build_info\{version="\d+\.\d+\.\d+[^"]*",node_version="[\d.]+",service="edge",process="[^"]+"\} 1$/m,
    );
  const text = await read();
  expect(lintMetrics(text)).toEqual([]);
  for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"]) {
    expect([...text.matchAll(new RegExp(`^${name}\\{.*\\} [\\d.e+]+$`, "gm"))]).toHaveLength(1);
  }
  const lags = (metrics: string) =>
    [...metrics.matchAll(/^weir_(?:processor|feed)_lag_seconds\{.*\} (\S+)$/gm)].map(([, lag]) => Number(lag));
  await expect.poll(async () => Math.max(...lags(await read())), WAIT).toBe(0);
});
