import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseYaml } from "../../platform/files/yaml-file.ts";
import { CONFIGURATION_EXAMPLES } from "./configuration-examples.ts";
import { configurationPage } from "./configuration-page.ts";
import { packageRoot } from "./paths.ts";
import { pipelineConfigSchema } from "./pipeline-config.ts";

const PAGE = configurationPage();

test("the published page is the one of this version (`weir config docs > docs/configuration.md`)", () => {
  expect(readFileSync(join(packageRoot(), "docs", "configuration.md"), "utf8")).toBe(PAGE);
});

describe("each example", () => {
  test.each(Object.entries(CONFIGURATION_EXAMPLES))("of %s is a weir.yaml with only this section", (key, text) => {
    for (const example of text.split("---\n")) {
      const parsed = parseYaml(example, "weir.yaml", pipelineConfigSchema);
      expect(parsed.ok ? [] : parsed.problems).toEqual([]);
      expect(Object.keys(parse(example))).toEqual([key]);
    }
  });
});

test("every key of the page has a default, or is in the example of its section", () => {
  let section = "";
  const bare: string[] = [];
  for (const line of PAGE.split("\n")) {
    section = /^## (\w+)$/.exec(line)?.[1] ?? section;
    const [, key = "", fallback = ""] = /^\| `(\w+)` \| (.*?) \|/.exec(line) ?? [];
    const example = Object.entries(CONFIGURATION_EXAMPLES).find(([name]) => name === section)?.[1];
    if (key !== "" && !fallback.startsWith("`") && example && !new RegExp(`\\b${key}:`).test(example)) {
      bare.push(`${section}: ${key}`);
    }
  }
  expect(bare).toEqual([]);
});

test("lines outside of tables fit a window", () => {
  expect(PAGE.split("\n").filter((line) => !line.startsWith("|") && line.length > 120)).toEqual([]);
});
