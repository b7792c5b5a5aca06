import { stringify } from "yaml";
import { type RuleSpec, ruleSpecSchema } from "../../rule-language/spec/rule-spec.ts";

/** A rule as a person writes it. */
export type WrittenRule = Readonly<Record<string, unknown>> & { readonly id: string };

/** A folder of rule files as it should be. Never changed in place. */
export type RuleFiles = ReadonlyMap<string, readonly WrittenRule[]>;

export const STEADY_FILE = "steady.yaml";
export const OWN_FILE = "own.yaml";
export const MANY_FILE = "many.yaml";
export const SITES_FILE = "sites.yaml";
export const GUEST_FILE = "guest.yaml";
/** The rule that no edit touches, and what brute force needs to know about it. */
export const STEADY = { id: "steady", sizeUs: 1_000_000, latenessUs: 500_000 };
/** The same over the devices of a site, which must wait for the slowest partition. */
export const STEADY_SITE = { id: "steady-site", sizeUs: 1_000_000 };
/** Its condition holds for every device all the time, whatever its edits. */
export const WARM = "warm";

const temperature = { where: { metric: "temperature" } };

export function firstFiles(options: { readonly manyRules: number; readonly siteLatenessMs: number }): RuleFiles {
  const { manyRules, siteLatenessMs } = options;
  const steady: WrittenRule = {
    id: STEADY.id,
    ...temperature,
    window: { tumbling: "1s" },
    aggregate: ["avg", "count"],
    lateness: "500ms",
  };
  return new Map<string, readonly WrittenRule[]>([
    [STEADY_FILE, [{ ...steady, id: "near-0", when: "> 52" }, steady, hopping("beside", "> 55")]],
    [
      OWN_FILE,
      [
        { id: WARM, ...temperature, window: { tumbling: "1s" }, when: "> 20", for: "1s", lateness: "500ms" },
        { id: "hot", ...temperature, window: { tumbling: "1s" }, aggregate: "max", when: "> 55", clear: "< 52" },
        { id: "stretch", ...temperature, window: { tumbling: "1s" }, aggregate: ["sum", "p95"], when: "> 500" },
        { id: "silent", group_by: ["device"], absent: "2s" },
      ],
    ],
    [
      SITES_FILE,
      [
        {
          id: STEADY_SITE.id,
          ...temperature,
          group_by: ["site"],
          window: { tumbling: "1s" },
          aggregate: ["avg", "count"],
          lateness: `${siteLatenessMs}ms`,
        },
        { id: "site-warm", ...temperature, group_by: ["site"], window: { tumbling: "1s" }, when: "> 51" },
      ],
    ],
    [GUEST_FILE, [hopping("guest", "> 53"), { ...hopping("guest-b", "> 54"), for: "1s" }]],
    [MANY_FILE, Array.from({ length: manyRules }, (_, i) => manyth(i, 50))],
  ]);
}

export function hopping(id: string, when: string): WrittenRule {
  return { id, ...temperature, window: { hopping: "2s", every: "1s" }, when, annotations: { summary: "{{ value }}" } };
}

/** Each is for one device and has one of three lengths: many windows are shared, but not all. */
export function manyth(i: number, threshold: number): WrittenRule {
  return {
    id: `many-${i}`,
    where: { metric: "temperature", device: `d${i % 100}` },
    window: { tumbling: `${1 + (i % 3)}s` },
    aggregate: "avg",
    when: `> ${threshold + (i % 7)}`,
    for: "2s",
    labels: { team: `team-${i % 5}` },
    annotations: { summary: "{{ device }} is at {{ value }}" },
  };
}

export function textOf(rules: readonly WrittenRule[]): string {
  return stringify({ rules });
}

/** What the log must hold of these files: the rules in order of the files' names, with all defaults. */
export function specsOf(files: RuleFiles): readonly RuleSpec[] {
  return [...files.keys()].sort().flatMap((name) => (files.get(name) ?? []).map((rule) => ruleSpecSchema.parse(rule)));
}
