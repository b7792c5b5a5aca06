import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FollowedRules, followRules } from "./follow-rules.ts";

const WAIT = { timeout: 20_000, interval: 20 };
let folder = "";
let followed: FollowedRules | undefined;
let said: string[] = [];
let polls = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-follow-"));
  said = [];
  polls = 0;
});

afterEach(async () => {
  followed?.stop();
  await rm(folder, { recursive: true, force: true });
});

function text(when: string, count = 1): string {
  const ids = Array.from({ length: count }, (_, i) => `r${i}`);
  const rules = ids.map((id) => `{ id: ${id}, where: { metric: m }, window: { tumbling: 1s }, when: "${when}" }`);
  return `rules:\n${rules.map((rule) => `  - ${rule}\n`).join("")}`;
}

function put(content: string): Promise<void> {
  return writeFile(join(folder, "a.yaml"), content);
}

async function follow(payloadBytesMax = 100_000): Promise<FollowedRules> {
  const events = {
    rulesLoaded: (count: number) => said.push(`loaded ${count}`),
    rulesRefused: (problems: string) => said.push(`refused ${problems.slice(folder.length + 1)}`),
    rulesFixed: () => said.push("fixed"),
  };
  followed = await followRules({ rulesDir: folder, payloadBytesMax, events, onPoll: () => polls++ });
  return followed;
}

/** After several polls, the earlier files have been evaluated. */
async function polled(): Promise<void> {
  const until = polls + 4;
  await expect.poll(() => polls, WAIT).toBeGreaterThanOrEqual(until);
}

test("broken files are rejected once and never take effect; fixing them is reported", async () => {
  await put(text("> 1"));
  const rules = await follow();
  const version = rules.wanted()?.version;
  await put(text("> 1").replace("}", ""));
  await expect.poll(() => said.length, WAIT).toBe(2);
  await put(`# other words\n${text("> 1").replace("}", "")}`);
  await polled();
  // The fault has moved to another line, so it is reported again.
  await put(`# and others\n${text("> 1").replace("}", "")}`);
  await polled();
  expect(rules.wanted()?.version).toBe(version);
  await put(text("> 1"));
  await expect.poll(() => said.at(-1), WAIT).toBe("fixed");
  expect(rules.wanted()?.version).toBe(version);
  await put(text("> 2"));
  await expect.poll(() => rules.wanted()?.specs[0]?.when, WAIT).toBe("> 2");
  expect(said.map((line) => line.split(" ")[0])).toEqual(["loaded", "refused", "refused", "fixed", "loaded"]);
  expect(said[1]).toMatch(/^refused a\.yaml:2:\d+: this \{ is never closed/);
});

test("a rule set too large for a message of the log is refused, and the previous rules stay in force", async () => {
  await put(text("> 1"));
  const rules = await follow(10_000);
  await put(text("> 1", 100));
  await expect.poll(() => said.length, WAIT).toBe(2);
  expect(said[1]).toMatch(/the 100 rules take \d+ bytes in the log, and its messages hold at most 10000/);
  expect(rules.wanted()?.specs.length).toBe(1);
});

test("files that are broken from the start give no rules until they are fixed", async () => {
  await put(text("> 1").replace("}", ""));
  const rules = await follow();
  expect(rules.wanted()).toBeUndefined();
  expect(rules.problems()).toMatchObject([{ line: 2, message: expect.stringContaining("this { is never closed") }]);
  await put(text("> 1"));
  await expect.poll(() => rules.wanted()?.specs.length, WAIT).toBe(1);
  expect(rules.problems()).toEqual([]);
  expect(said.map((line) => line.split(" ")[0])).toEqual(["refused", "fixed", "loaded"]);
});
