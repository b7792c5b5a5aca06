import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { configNotice, type FollowedConfig, followConfig, waitingIn } from "./follow-config.ts";
import { type PipelineConfig, parsePipelineConfig, pipelineConfigSchema } from "./pipeline-config.ts";

const WAIT = { timeout: 20_000, interval: 20 };
let folder = "";
let file = "";
let followed: FollowedConfig | undefined;
let said: string[] = [];
let applied: PipelineConfig[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-config-"));
  file = join(folder, "weir.yaml");
  said = [];
  applied = [];
});
afterEach(async () => {
  followed?.stop();
  await rm(folder, { recursive: true, force: true });
});

function follow(started = pipelineConfigSchema.parse({}), fails?: string): void {
  followed = followConfig({
    ...{ file, started },
    apply(config) {
      if (fails !== undefined) throw new RangeError(fails);
      applied.push(config);
    },
    events: {
      configLoaded: (_, waiting) => said.push(`loaded ${waiting.join(" ")}`.trim()),
      configRefused: (problems) => said.push(`refused ${problems.split("\n")[0]?.replace(`${folder}/`, "")}`),
      configFixed: () => said.push("fixed"),
    },
  });
}

async function write(text: string): Promise<void> {
  // As editors do.
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

const ONE = "sources: [{ topic: 'one/{device}' }]\n";
const TWO = "sources: [{ topic: 'two/{device}' }]\nbroker: { limits: { clients_max: 7 } }\n";

test("a change is applied, an error changes nothing, and a file that is right again is said to be", async () => {
  await write(ONE);
  follow(parsePipelineConfig(ONE, file));
  await write(TWO);
  await expect.poll(() => said, WAIT).toEqual(["loaded broker.limits"]);
  expect(applied.map(({ sources }) => sources[0]?.topic)).toEqual(["two/{device}"]);
  expect(configNotice(followed as FollowedConfig)).toContain("take effect with the next start: broker.limits.");
  await write("sources: [{ topic: 'three/device' }]\n");
  await expect.poll(() => said.at(-1), WAIT).toMatch(/^refused weir.yaml:1:20: .*\{device\} is missing/);
  expect(followed?.problems).toHaveLength(1);
  expect(followed?.inForce.sources[0]?.topic).toBe("two/{device}");
  expect(configNotice(followed as FollowedConfig)).toContain("(weir.yaml:1)");
  await write(TWO);
  await expect.poll(() => said.at(-1), WAIT).toBe("fixed");
  expect(applied).toHaveLength(1);
  await rm(file);
  await expect.poll(() => said.at(-1), WAIT).toMatch(/^refused weir.yaml:1:1: cannot be read/);
  await write(ONE);
  await expect.poll(() => said.at(-1), WAIT).toBe("loaded");
  expect(followed?.problems).toEqual([]);
  expect(configNotice(followed as FollowedConfig)).toBeUndefined();
}, 60_000);

test("a file that did not exist at the start is read when it appears", async () => {
  follow();
  await write(ONE);
  await expect.poll(() => said, WAIT).toEqual(["loaded"]);
}, 30_000);

test("a change between the start and the watch counts; one that cannot be applied is refused", async () => {
  await write(TWO);
  follow(parsePipelineConfig(ONE, file), "no such thing");
  await expect.poll(() => said, WAIT).toEqual(["refused weir.yaml:1:1: cannot be put in force: no such thing"]);
  expect(followed?.inForce.sources[0]?.topic).toBe("one/{device}");
}, 30_000);

test.each([
  ["clock: { max_ahead: 5m }", []],
  ["ingest: { limits: { series_max: 5 }, frame: { linger: 3ms } }", []],
  ["ingest: { sparkplug: { host_id: x } }\npartitions: 8", ["partitions", "ingest.sparkplug"]],
  ["bridges: []\nfeed: { history: { devices_max: 9 } }", ["feed.history"]],
])("%s waits for a restart with %j", (text, waiting) => {
  const started = pipelineConfigSchema.parse({});
  expect(waitingIn(started, parsePipelineConfig(text, "weir.yaml"))).toEqual(waiting);
});
