import { encodeRuleSet } from "../../domain/frame-writer.ts";
import { type FileProblem, formatProblems } from "../../platform/files/yaml-file.ts";
import { type ReadRules, type RuleSetFiles, readSources } from "./load-rules.ts";
import { SETTLE_MS, SettledRules } from "./settled-rules.ts";

/** Long enough that the next poll finds the files settled. Timers can fire a little early. */
const POLL_MS = SETTLE_MS + 10;
/**
 * Polls take long with thousands of files or on a busy machine. They then run less often, so that they take at most a
 * tenth of the time...
 */
const POLL_RARITY = 10;
/** ...but at least this often. */
const POLL_MS_MAX = 1_000;

/** Events of the rule files, logged by `events.ts` of the processors. */
export interface RuleFilesEvents {
  rulesLoaded(count: number, version: string): void;
  rulesRefused(problems: string): void;
  rulesFixed(): void;
}

export interface FollowOptions {
  readonly rulesDir: string;
  /** The largest message that the log accepts. A rule set is one message. */
  readonly payloadBytesMax: number;
  readonly events: RuleFilesEvents;
  /** Called after each poll, whether the files have changed or not. */
  readonly onPoll: () => void;
}

export interface FollowedRules {
  /** The rules of the newest files without problems; undefined if there have been none. */
  wanted(): RuleSetFiles | undefined;
  /** The problems of the current files. */
  problems(): readonly FileProblem[];
  /** The current files, for warnings. */
  read(): ReadRules;
  stop(): void;
}

/** Loads the rule files and polls them for changes. */
export async function followRules(options: FollowOptions): Promise<FollowedRules> {
  const settled = new SettledRules(options.rulesDir, await readSources(options.rulesDir));
  const follower = new Follower(options, settled);
  follower.start();
  // Arrow functions, because callers pass them on without the object.
  return {
    wanted: () => follower.wanted,
    problems: () => follower.problems,
    read: () => settled.read,
    stop: () => follower.stop(),
  };
}

class Follower {
  readonly #options: FollowOptions;
  readonly #settled: SettledRules;
  #wanted: RuleSetFiles | undefined;
  #problems: readonly FileProblem[] = [];
  #isStopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FollowOptions, settled: SettledRules) {
    this.#options = options;
    this.#settled = settled;
  }

  start(): void {
    this.#take(this.#settled.rules);
    this.#pollIn(POLL_MS);
  }

  get wanted(): RuleSetFiles | undefined {
    return this.#wanted;
  }

  get problems(): readonly FileProblem[] {
    return this.#problems;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #pollIn(ms: number): void {
    // The next poll is scheduled only after this one ends, so a slow poll cannot overtake a later one.
    this.#timer = setTimeout(() => void this.#poll(), ms);
  }

  async #poll(): Promise<void> {
    const startedMs = performance.now();
    const sources = await readSources(this.#options.rulesDir);
    if (this.#isStopped) return;
    const tookMs = performance.now() - startedMs;
    const state = this.#settled.inspect(sources, performance.now());
    if (state.kind === "changed") this.#take(state.rules);
    this.#options.onPoll();
    const restMs = Math.min(POLL_MS_MAX, Math.max(POLL_MS, tookMs * POLL_RARITY));
    this.#pollIn(state.kind === "settling" ? POLL_MS : restMs);
  }

  #take(next: RuleSetFiles): void {
    const { events } = this.#options;
    const before = formatProblems(this.#problems);
    this.#problems = problemsOf(next, this.#options);
    const now = formatProblems(this.#problems);
    if (now !== "" && now !== before) events.rulesRefused(now);
    if (now === "" && before !== "") events.rulesFixed();
    if (now !== "" || next.version === this.#wanted?.version) return;
    this.#wanted = next;
    events.rulesLoaded(next.specs.length, next.version);
  }
}

function problemsOf(rules: RuleSetFiles, { rulesDir, payloadBytesMax }: FollowOptions): readonly FileProblem[] {
  if (rules.problems.length > 0) return rules.problems;
  const { specs, version } = rules;
  const bytes = encodeRuleSet({ version, rulesJson: JSON.stringify(specs) }).length;
  if (bytes <= payloadBytesMax) return [];
  const message = `the ${specs.length} rules take ${bytes} bytes in the log, and its messages hold at most ${payloadBytesMax}; write one rule for many devices, or raise max_payload of the NATS server`;
  return [{ file: rulesDir, line: 1, column: 1, message, text: "" }];
}
