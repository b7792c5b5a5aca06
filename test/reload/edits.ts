import type { Random } from "../simulation/random.ts";
import {
  GUEST_FILE,
  hopping,
  MANY_FILE,
  manyth,
  OWN_FILE,
  type RuleFiles,
  SITES_FILE,
  STEADY_FILE,
  WARM,
  type WrittenRule,
} from "./rule-files.ts";

/** One file changes its content; undefined removes it. */
export interface Edit {
  readonly what: string;
  readonly file: string;
  readonly rules: readonly WrittenRule[] | undefined;
}

const EXTRAS_MAX = 3;

/** An endless series of edits, of all kinds in turn. Each makes a rule set that differs from the one before. */
export class Edits {
  readonly #random: Random;
  #count = 0;
  #round: [string, Kind][] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  next(files: RuleFiles): Edit {
    this.#count++;
    if (this.#round.length === 0) this.#round = shuffled(Object.entries(KINDS), this.#random);
    const [what, kind] = this.#round.pop() ?? ["add", added];
    return { what, ...kind(files, this.#count) };
  }
}

/** `n` differs at each call. */
type Kind = (files: RuleFiles, n: number) => Omit<Edit, "what">;

const KINDS: Readonly<Record<string, Kind>> = {
  threshold: (files, n) => changed(files, OWN_FILE, WARM, () => ({ when: `> ${10 + (n % 25)}.${n % 10}` })),
  for: (files, n) => changed(files, OWN_FILE, WARM, (rule) => ({ for: other(rule.for, ["1s", "2s", "3s"], n) })),
  texts: (files, n) =>
    changed(files, OWN_FILE, WARM, (rule) => ({
      annotations: { summary: `{{ device }}: text ${n}` },
      severity: other(rule.severity, ["info", "warning", "critical"], n),
    })),
  window: (files, n) =>
    changed(files, OWN_FILE, "stretch", ({ window }) => {
      const sizes = ["1s", "2s", "3s"].map((tumbling) => ({ tumbling }));
      return { window: sizes.filter((size) => JSON.stringify(size) !== JSON.stringify(window))[n % 2] };
    }),
  hysteresis: (files, n) =>
    changed(files, OWN_FILE, "hot", () => ({ clear: `< ${50 + (n % 4)}.${n % 10}`, keep_firing_for: `${n % 3}s` })),
  absent: (files, n) =>
    changed(files, OWN_FILE, "silent", (rule) => ({ absent: other(rule.absent, ["2s", "2500ms", "3s"], n) })),
  site: (files, n) => changed(files, SITES_FILE, "site-warm", () => ({ when: `> ${48 + (n % 5)}.${n % 10}` })),
  add: added,
  remove: (files, n) => {
    const rules = files.get(STEADY_FILE) ?? [];
    const gone = rules.find(({ id }) => id.startsWith("extra-"))?.id;
    if (gone !== undefined) return { file: STEADY_FILE, rules: rules.filter(({ id }) => id !== gone) };
    return added(files, n);
  },
  rename: (files, n) =>
    changed(
      files,
      STEADY_FILE,
      (id) => id.startsWith("near-"),
      () => ({ id: `near-${n}` }),
    ),
  order: (files) => ({ file: STEADY_FILE, rules: (files.get(STEADY_FILE) ?? []).toReversed() }),
  many: (files, n) => ({ file: MANY_FILE, rules: (files.get(MANY_FILE) ?? []).map((_, i) => manyth(i, 45 + (n % 9))) }),
  "one of many": (files, n) =>
    changed(files, MANY_FILE, `many-${n % (files.get(MANY_FILE)?.length ?? 1)}`, () => ({ when: `> 40.${n}` })),
  file: (files, n) => {
    if (files.has(GUEST_FILE)) return { file: GUEST_FILE, rules: undefined };
    return { file: GUEST_FILE, rules: [hopping("guest", `> ${50 + (n % 5)}`), hopping("guest-b", "> 54")] };
  },
};

function added(files: RuleFiles, n: number): Omit<Edit, "what"> {
  const rules = files.get(STEADY_FILE) ?? [];
  const extras = rules.filter(({ id }) => id.startsWith("extra-"));
  const kept = extras.length < EXTRAS_MAX ? rules : rules.filter(({ id }) => id !== extras[0]?.id);
  return { file: STEADY_FILE, rules: [...kept, hopping(`extra-${n}`, "> 56")] };
}

function changed(
  files: RuleFiles,
  file: string,
  which: string | ((id: string) => boolean),
  change: (rule: WrittenRule) => Readonly<Record<string, unknown>>,
): Omit<Edit, "what"> {
  const isMeant = typeof which === "string" ? (id: string) => id === which : which;
  return {
    file,
    rules: (files.get(file) ?? []).map((rule) => (isMeant(rule.id) ? { ...rule, ...change(rule) } : rule)),
  };
}

/** One of the values other than the current one. */
function other(present: unknown, values: readonly string[], n: number): string {
  const others = values.filter((value) => value !== present);
  return others[n % others.length] ?? "";
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  const taken: T[] = [];
  while (left.length > 0) taken.push(...left.splice(random.whole(0, left.length - 1), 1));
  return taken;
}
