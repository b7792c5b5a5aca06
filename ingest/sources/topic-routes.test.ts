import { expect, test } from "vitest";
import { msOf, WORST_MS_MAX, WORST_TEXTS } from "../../test/worst-texts.ts";
import { ingestConfigSchema } from "../common/config.ts";
import { DeviceLedger } from "../common/device-ledger.ts";
import { TopicRoutes } from "./topic-routes.ts";

function routesFor(config: Record<string, unknown> = {}, cacheBytesMax = 134_217_728) {
  const { sources, limits } = ingestConfigSchema.parse(config);
  const ledger = new DeviceLedger(10);
  return { ledger, routes: new TopicRoutes({ sources, limits, partitions: 4, ledger, cacheBytesMax }) };
}

const long = "n".repeat(257);

test.each([
  ["device", `sensors/s/${long}/telemetry`],
  ["site", `sensors/${long}/d/telemetry`],
  ["metric", `sensors/s/d/${long}`],
  ["device", `sensors/s/${"é".repeat(129)}/telemetry`],
])("a {%s} of more than 256 bytes in the topic is a bad name", (level, topic) => {
  const { routes, ledger } = routesFor();
  const found = routes.find(topic);
  expect(found).toMatchObject({ problem: "bad-name" });
  const { detail } = found as { detail: string };
  expect(detail).toMatch(
    new RegExp(`^\\{${level}\\} of the topic, "[né]{60}"\\.\\.\\., has 25[78] bytes, at most 256$`),
  );
  expect(ledger.entries()).toEqual([]);
});

test("256 bytes are a valid name in any script", () => {
  const { routes } = routesFor();
  for (const name of ["n".repeat(256), "é".repeat(128), "😀".repeat(64)]) {
    expect(routes.find(`sensors/${name}/${name}/${name}`)).toMatchObject({
      captured: { metric: name },
      target: { device: name, tags: { site: name } },
    });
    expect(routes.find(`sensors/${name}/${name}x/telemetry`)).toMatchObject({ problem: "bad-name" });
  }
});

test("the limit can be set, and also applies to fixed tags", () => {
  const { routes } = routesFor({ limits: { name_size_max: "20B" } });
  expect(routes.find(`sensors/s/${"d".repeat(20)}/telemetry`)).toMatchObject({ target: { device: "d".repeat(20) } });
  expect(routes.find(`sensors/s/${"d".repeat(21)}/telemetry`)).toMatchObject({ problem: "bad-name" });
  const source = (tags: Record<string, string>) => ({ sources: [{ topic: "a/{device}", tags }] });
  expect(() => ingestConfigSchema.parse(source({ owner: "x".repeat(1_025) }))).toThrow(/has 1025 bytes, at most 1024/);
  expect(() => ingestConfigSchema.parse(source({ owner: "a\u0007" }))).toThrow(/has a control character/);
});

test.each(["device", "metric"])("a fixed tag cannot be named %s", (name) => {
  const source = { sources: [{ topic: "a/{device}", tags: { [name]: "x" } }] };
  expect(() => ingestConfigSchema.parse(source)).toThrow(`a tag cannot have the name ${name}`);
});

test("a metric with an invalid name has no series", () => {
  const { routes } = routesFor();
  const route = routes.find("sensors/s/d/telemetry");
  if ("problem" in route) throw new Error(route.detail);
  expect(route.target?.series.get("n".repeat(256), "number", 0)).toBeDefined();
  for (const name of [long, "é".repeat(129), "a\u0000", "a\u001f", "a\u007f", "a\u009f"]) {
    expect(route.target?.series.get(name, "number", 0)).toBeUndefined();
  }
});

test("a long topic is matched each time, and not remembered", () => {
  const { routes, ledger } = routesFor({ sources: [{ topic: "a/{device}/#" }] });
  const topic = `a/d/${"x/".repeat(30_000)}`;
  const first = routes.find(topic);
  expect(first).toMatchObject({ target: { device: "d" } });
  expect(routes.find(topic)).not.toBe(first);
  expect(routes.find("a/d/x")).toBe(routes.find("a/d/x"));
  expect(ledger.entries()).toHaveLength(1);
});

test("the cache is bounded in bytes: many long topics, known and unknown, and many metrics", () => {
  const { routes } = routesFor({ sources: [{ topic: "a/{device}/#" }] }, 1_048_576);
  for (let i = 0; i < 1_000; i++) {
    routes.find(`${i % 2 === 0 ? "a/d" : "b"}/${"x".repeat(1_000)}${i}`);
    expect(routes.cachedBytes).toBeLessThan(1_100_000);
  }
  for (let i = 0; i < 500; i++) {
    const route = routes.find(`a/d/${i}`);
    if (!("problem" in route))
      for (let m = 0; m < 10; m++) route.target?.series.get(`${"m".repeat(200)}${m}`, "number", 0);
    expect(routes.cachedBytes).toBeLessThan(1_100_000);
  }
});

test.each(WORST_TEXTS)("%s cost no more than their length", (_name, worst) => {
  const { routes } = routesFor({ sources: [{ topic: "sensors/+/{device}" }, { topic: "{site}/{device}/#" }] });
  for (const topic of [worst, `sensors/${worst}/d`, `a/b/${worst}`]) {
    expect(msOf(() => routes.find(topic))).toBeLessThan(WORST_MS_MAX);
  }
});
