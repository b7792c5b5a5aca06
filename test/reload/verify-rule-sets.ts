import type { Reloading } from "./reloading.ts";

interface Expected {
  readonly json: string;
  /** Whether other versions may precede it: half a file was on the disk for long. */
  readonly isExact: boolean;
}

/** The log of every task holds the versions that were written, in order, each once, and no other. */
export function verifyRuleSets(reloading: Reloading): {
  readonly difference: string | undefined;
  readonly count: number;
} {
  const { first, reloads, ruleSets } = reloading;
  const partitions = ruleSets.byTask.length / 2;
  let count = 0;
  for (const [task, logged] of ruleSets.byTask.entries()) {
    const jsonOf = ({ rulesJson, sharesJson }: typeof first) => (task < partitions ? rulesJson : sharesJson);
    const expected: Expected[] = [{ json: jsonOf(first), isExact: true }];
    for (const reload of reloads) {
      const json = jsonOf(reload);
      if (json !== expected.at(-1)?.json) expected.push({ json, isExact: reload.isExact });
    }
    let at = 0;
    for (const { json, isExact } of expected) {
      const extraFrom = at;
      while (at < logged.length && logged[at]?.rulesJson !== json) at++;
      if (at === logged.length) return { count, difference: `task ${task} never got ${shown(json)}` };
      if (isExact && at > extraFrom) {
        const extra = logged[extraFrom];
        const place = `entry ${extra?.sequence} of task ${task}`;
        return { count, difference: `${place} is a rule set that was never written: ${shown(extra?.rulesJson ?? "")}` };
      }
      at++;
      count++;
    }
    if (at < logged.length) return { count, difference: `task ${task} has a rule set beyond the last` };
  }
  return { count, difference: undefined };
}

const SHOWN_MAX = 2_000;

function shown(json: string): string {
  const specs: readonly { readonly id: string }[] = JSON.parse(json);
  const ids = specs.map(({ id }) => id).filter((id) => !id.startsWith("many-"));
  return `${specs.length} rules (${ids.join(", ")}), ${json.slice(0, SHOWN_MAX)}`;
}
