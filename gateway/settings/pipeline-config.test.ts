import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "./paths.ts";
import { pipelineConfigSchema, pipelineJsonSchema } from "./pipeline-config.ts";

test("an empty configuration has a default for everything", () => {
  const config = pipelineConfigSchema.parse({});
  expect(config.partitions).toBe(4);
  expect(config.sources.map(({ topic }) => topic)).toEqual([
    "sensors/{site}/{device}/telemetry",
    "sensors/{site}/{device}/{metric}",
  ]);
  expect(config.log.readings).toEqual({ maxAge: 86_400_000_000, maxMebibytes: 10_240 });
});

test("the published JSON Schema is the one of this version (`weir config-schema > docs/weir.schema.json`)", () => {
  const published = JSON.parse(readFileSync(join(packageRoot(), "docs", "weir.schema.json"), "utf8"));
  expect(published).toEqual(JSON.parse(JSON.stringify(pipelineJsonSchema())));
});
