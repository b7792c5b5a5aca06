import type { TestEntry } from "../../engine/testing/step-kit.ts";
import type { Scenario } from "./scenario.ts";

/** The smallest part of a list that still fails. A simplified form of Zeller's delta debugging. */
export async function shortest<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let kept = items;
  for (let size = kept.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < kept.length; ) {
      const fewer = [...kept.slice(0, from), ...kept.slice(from + size)];
      if (await fails(fewer)) kept = fewer;
      else from += size;
    }
  }
  return kept;
}

type Fails<T> = (smaller: T) => Promise<boolean>;

/** Removes faults, edits, frames, readings and rules, in this order, while the scenario still diverges. */
export async function shrinkScenario(scenario: Scenario, diverges: Fails<Scenario>): Promise<Scenario> {
  let small = scenario;
  if (await diverges({ ...small, slow: false })) small = { ...small, slow: false };
  for (const part of ["faults", "departures", "edits", "production", "rules"] as const) {
    const base = small;
    small = { ...base, [part]: await shortest<unknown>(base[part], (items) => diverges({ ...base, [part]: items })) };
  }
  for (let i = 0; i < small.production.length; i++) {
    const base = small;
    const having = (readings: Scenario["production"][number]["readings"]): Scenario => ({
      ...base,
      production: base.production.map((each, at) => (at === i ? { ...each, readings } : each)),
    });
    small = having(await shortest(base.production[i]?.readings ?? [], (readings) => diverges(having(readings))));
  }
  return small;
}

/** The same for a log on which the step alone is wrong. */
export async function shrinkLog(
  entries: readonly TestEntry[],
  diverges: Fails<readonly TestEntry[]>,
): Promise<readonly TestEntry[]> {
  let small = await shortest(entries, diverges);
  for (let i = 0; i < small.length; i++) {
    const base = small;
    const entry = base[i];
    if (entry === undefined || entry.kind === "tick" || entry.kind === "gone") continue;
    const having = (changed: TestEntry) => base.map((each, at) => (at === i ? changed : each));
    if (entry.kind === "rules") {
      const specs = await shortest(entry.specs, (fewer) => diverges(having({ ...entry, specs: fewer })));
      small = having({ ...entry, specs });
    } else {
      const readings = await shortest(entry.readings, (fewer) => diverges(having({ ...entry, readings: fewer })));
      small = having({ ...entry, readings });
    }
  }
  return small.length < entries.length ? shrinkLog(small, diverges) : small;
}
