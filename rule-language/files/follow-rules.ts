import { encodeRuleSet } from "../../domain/frame-writer.ts";
import { type FileProblem, formatProblems } from "../../platform/files/yaml-file.ts";
import { type RuleSetFiles, readSources } from "./load-rules.ts";
import { SETTLE_MS, SettledRules } from "./settled-rules.ts";

/** A second look finds whether the files have held still. Timers may be early by a little. */
const LOOK_MS = SETTLE_MS + 10;
/** Looks that take long, at thousands of files, come less often. So they do when the machine is busy: hence a bound. */
const LOOK_RARITY = 10;
const LOOK_MS_MAX = 1_000;

/** What happens to the rule files, as `events.ts` of the processors tells it. */
export interface RuleFilesEvents {
  rulesLoaded(count: number, version: string): void;
  rulesRefused(problems: string): void;
  rulesMended(): void;
}

export interface FollowOptions {
  readonly rulesDir: string;
  /** The largest message that the log takes: a rule set travels in one. */
  readonly payloadBytesMax: number;
  readonly events: RuleFilesEvents;
  /** After each look at the files, changed or not. */
  readonly onLook: () => void;
}

export interface FollowedRules {
  /** The rules of the newest files without problems; undefined as long as there were none. */
  wanted(): RuleSetFiles | undefined;
  /** What is wrong with the files as they are now. */
  problems(): readonly FileProblem[];
  stop(): void;
}

/** Loads the rule files, and looks at them again and again. */
export async function followRules(options: FollowOptions): Promise<FollowedRules> {
  const { rulesDir, events, onLook } = options;
  const settled = new SettledRules(rulesDir, await readSources(rulesDir));
  let wanted: RuleSetFiles | undefined;
  let problems: readonly FileProblem[] = [];
  let isStopped = false;
  let timer: NodeJS.Timeout;
  take(settled.rules);
  lookIn(LOOK_MS);

  function lookIn(ms: number): void {
    // One look after the other: a slow one must not take the place of a later one.
    timer = setTimeout(() => void look(), ms);
  }

  async function look(): Promise<void> {
    const startedMs = performance.now();
    const sources = await readSources(rulesDir);
    if (isStopped) return;
    const tookMs = performance.now() - startedMs;
    const verdict = settled.judge(sources, performance.now());
    if (verdict.kind === "judged") take(verdict.rules);
    onLook();
    const restMs = Math.min(LOOK_MS_MAX, Math.max(LOOK_MS, tookMs * LOOK_RARITY));
    lookIn(verdict.kind === "settling" ? LOOK_MS : restMs);
  }

  function take(next: RuleSetFiles): void {
    const before = formatProblems(problems);
    problems = problemsOf(next, options);
    const refused = formatProblems(problems);
    if (refused !== "" && refused !== before) events.rulesRefused(refused);
    if (refused === "" && before !== "") events.rulesMended();
    if (refused !== "" || next.version === wanted?.version) return;
    wanted = next;
    events.rulesLoaded(next.specs.length, next.version);
  }

  return {
    wanted: () => wanted,
    problems: () => problems,
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

function problemsOf(rules: RuleSetFiles, { rulesDir, payloadBytesMax }: FollowOptions): readonly FileProblem[] {
  if (rules.problems.length > 0) return rules.problems;
  const { specs, version } = rules;
  const bytes = encodeRuleSet({ version, rulesJson: JSON.stringify(specs) }).length;
  if (bytes <= payloadBytesMax) return [];
  const message = `the ${specs.length} rules take ${bytes} bytes in the log, whose messages hold ${payloadBytesMax} at most (write one rule for many devices, or raise max_payload of the NATS server)`;
  return [{ file: rulesDir, line: 1, column: 1, message, text: "" }];
}
