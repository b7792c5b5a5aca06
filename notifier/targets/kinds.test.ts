import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { targetReference } from "../testing/target-reference.ts";
import { KIND_NAMES, TARGET_KINDS } from "./kinds.ts";
import { TARGET_SETTINGS } from "./target-settings.ts";

test.each(KIND_NAMES)("%s runs the conformance suite", (kind) => {
  const file = new URL(`./${kind}.test.ts`, import.meta.url);
  expect(existsSync(file), `write ${kind}.test.ts beside ${kind}.ts`).toBe(true);
  expect(readFileSync(file, "utf8"), `call describeTarget("${kind}", ...)`).toContain(`describeTarget("${kind}"`);
});

test.each(KIND_NAMES)("%s has every setting of targets, and describes its own", (kind) => {
  const { properties = {} } = z.toJSONSchema(TARGET_KINDS[kind].schema, { io: "input", unrepresentable: "any" });
  expect(Object.keys(properties)).toEqual(expect.arrayContaining(Object.keys(TARGET_SETTINGS)));
  const undescribed = Object.entries(properties).filter(
    ([, field]) => typeof field !== "object" || field.description === undefined,
  );
  expect(undescribed.map(([name]) => name)).toEqual([]);
});

test("docs/notification-targets.md is the reference of this table (update it with `vitest -u`)", async () => {
  await expect(targetReference()).toMatchFileSnapshot("../../docs/notification-targets.md");
});
