import { describe, expect, it } from "vitest";
import { CHECKS } from "./checks/checks.ts";
import { STATEMENTS } from "./run.ts";

describe.each([4, 5] as const)("the statements of MQTT version %s", (version) => {
  const covered = new Set(CHECKS.flatMap(({ covers }) => covers[version] ?? []));

  it("are each tested, watched, or have a reason why not", () => {
    const untested = Object.entries(STATEMENTS[version]).filter(
      ([id, { none, watched }]) => none === undefined && watched !== true && !covered.has(id),
    );
    expect(untested.map(([id]) => id)).toEqual([]);
  });

  it("are the only ones that checks name, and none of those has a reason not to be tested", () => {
    const known = STATEMENTS[version];
    expect([...covered].filter((id) => known[id] === undefined || known[id].none !== undefined)).toEqual([]);
  });
});

it("checks have different names", () => {
  const names = CHECKS.map(({ name }) => name);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});
