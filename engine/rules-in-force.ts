import type { Device, Series, Tags } from "../domain/reading.ts";
import type { Blend } from "../rule-language/spec/blend.ts";
import { groupLabels } from "../rule-language/spec/grouping.ts";
import { readRuleSpec } from "../rule-language/spec/read-rule-set.ts";
import type { RuleSpec } from "../rule-language/spec/rule-spec.ts";
import { SeriesIndex } from "../rule-language/spec/series-index.ts";
import { WINDOWS_PER_KEY_MAX } from "../rule-language/spec/window-cost.ts";
import { readerOf } from "./aggregates/aggregates.ts";
import { RuleAlerts } from "./alerts/rule-alerts.ts";
import { canTakeOver, handOver, type RunningRule } from "./hand-over.ts";
import { foundByRule } from "./inputs/found-by-rule.ts";
import { leaveKeys } from "./inputs/gone-keys.ts";
import { Input, type JoinedInput, NO_ROOM } from "./inputs/input.ts";
import { Join } from "./inputs/join.ts";
import { KeyLives } from "./inputs/key-lives.ts";
import { KeyTimers } from "./inputs/key-timers.ts";
import type { Route } from "./inputs/series-routes.ts";
import type { Source } from "./inputs/source.ts";
import { compileRule, compileRules } from "./rules/compile.ts";
import { type ForgetTimes, NO_RULES, shareForgetTimes } from "./rules/forget-times.ts";
import type { JoinSpec, Rule } from "./rules/rule.ts";
import { stopReason } from "./rules/stop-reason.ts";
import { BadSnapshotError, type SnapshotReader, type SnapshotWriter } from "./state/snapshot-io.ts";
import type { StepContext } from "./state/step-context.ts";

const RULES_PER_PAUSE = 200;

/**
 * The rules of a step, the inputs and joins that they share, and the state that survives an edit (docs/windows.md,
 * "Edits").
 */
export class RulesInForce {
  readonly #context: StepContext;
  readonly #timers = new KeyTimers<Input>();
  readonly #lives = new KeyLives();
  #rules: readonly RunningRule[] = [];
  #inputs: readonly Input[] = [];
  #joins: readonly Join[] = [];
  #index = indexOf([]);
  #watches = false;
  /** Rules that could not be compiled, and why. */
  #broken: ReadonlyMap<string, string> = new Map();
  #connect = () => {};
  #forgetTimes: ForgetTimes = NO_RULES;

  constructor(context: StepContext) {
    this.#context = context;
  }

  /** Whether a rule waits for absences. */
  get watches(): boolean {
    return this.#watches;
  }

  /** By rule: series that share a key, if they probably should not. */
  get blends(): ReadonlyMap<string, Blend> {
    return foundByRule(this.#rules, this.#inputs, ({ blend }) => blend);
  }

  /** By rule: a text and a boolean that its `where` selects. */
  get otherKinds(): ReadonlyMap<string, readonly Series[]> {
    const found = ({ otherKinds }: Input) => (otherKinds.length === 0 ? undefined : otherKinds);
    return foundByRule(this.#rules, this.#inputs, found, (one, other) => [...one, ...other]);
  }

  /** The processing time from which a tick has an effect; Infinity if none would. */
  get nextDueUs(): number {
    return Math.min(this.#timers.nextDueUs, this.#lives.nextUs);
  }

  /** The number of keys of all inputs. */
  get keyCount(): number {
    return this.#inputs.reduce((sum, input) => sum + input.liveCount, 0);
  }

  /** The shortest and the longest time for which keys are kept without readings. */
  get forgetTimes(): ForgetTimes {
    return this.#forgetTimes;
  }

  /** The rules that are skipped until they are edited, and why. */
  get quarantined(): ReadonlyMap<string, string> {
    const stopped = new Map(this.#broken);
    for (const { alerts } of this.#rules)
      if (alerts.stopped !== undefined) stopped.set(alerts.rule.spec.id, alerts.stopped);
    return stopped;
  }

  /** Stops the rules that read an input whose windows failed. The others go on. */
  stop(input: Input, error: unknown): void {
    const reason = stopReason(error);
    for (const { alerts } of this.#rules) {
      if (!alerts.rule.inputs.some(({ identity }) => identity === input.identity)) continue;
      if (alerts.stopped === undefined) alerts.stop(reason);
    }
    input.stop();
    this.#connect();
  }

  /** Does everything that is due, each thing at its own instant. Keys are forgotten at `fromUs` or later. */
  advance(fromUs: number, nowUs: number): void {
    const timers = this.#timers;
    const lives = this.#lives;
    for (;;) {
      const forgetUs = Math.max(fromUs, lives.nextUs);
      if (timers.nextDueUs <= Math.min(nowUs, forgetUs)) this.#advanceKey(nowUs);
      else if (lives.nextUs <= nowUs) lives.advance(fromUs);
      else return;
    }
  }

  /** Sets, moves or (with Infinity) stops the timer of a key. */
  setTimer({ timers }: Input, key: number, dueUs: number): void {
    this.#timers.set(timers[key] as number, dueUs);
  }

  /**
   * The routes of a series' readings, limited to the groups that this task computes. `isRefused`: a rule has no room
   * for the key.
   */
  routesOf(
    series: Series,
    belongs: (labels: Tags) => boolean,
  ): { readonly routes: readonly Route[]; readonly isRefused: boolean } {
    const routes: Route[] = [];
    let isRefused = false;
    if (series.kind !== "number") for (const input of this.#selecting(series)) input.noteKind(series);
    // In the order of the rule set.
    const inputs = this.#index.readersOf(series).sort((a, b) => a.index - b.index);
    for (const input of inputs) {
      if (input.isStopped) continue;
      const labels = groupLabels(input.spec.grouping, series);
      if (!belongs(labels)) continue;
      const key = input.keyFor(labels);
      if (key === NO_ROOM) isRefused = true;
      else {
        input.note(key, series);
        routes.push({ input, key });
      }
    }
    return { routes, isRefused };
  }

  /** The inputs that select a series, whatever the kind of its values, for the groups that this task computes. */
  selecting(series: Series, belongs: (labels: Tags) => boolean): readonly Input[] {
    return this.#selecting(series).filter(({ spec }) => belongs(groupLabels(spec.grouping, series)));
  }

  #selecting(series: Series): readonly Input[] {
    // A selector that reads any kind reads numbers.
    return this.#index.readersOf(series.kind === "string" ? { ...series, kind: "number" } : series);
  }

  /** Excludes unwatched time from silence. */
  passUnwatched(fromUs: number, untilUs: number): void {
    for (const { absences, timers } of this.#inputs) {
      if (!absences) continue;
      absences.passUnwatched(fromUs, untilUs);
      for (const [key, timer] of timers.entries()) this.#timers.set(timer, absences.dueUs(key));
    }
  }

  /** Devices are gone: rules with `absent` need not wait for the silence of keys that are theirs alone. */
  leave(devices: readonly Device[], nowUs: number): void {
    for (const input of this.#inputs) leaveKeys(input, devices, { nowUs, rules: this });
  }

  /**
   * Puts an edited rule set in force. Inputs that are still in use keep their state, and alerts of unchanged groups
   * stay open. `seen`: every series that has had a reading.
   */
  replace(specs: readonly RuleSpec[], edit: { readonly seen: () => readonly Series[]; readonly nowUs: number }): void {
    const before = this.#rules;
    const { rules, broken } = compileRules(specs);
    this.#broken = broken;
    this.#put(rules);
    const nextOf = new Map(this.#rules.map((running) => [running.alerts.rule.spec.id, running]));
    const seen = before.length > 0 ? edit.seen() : [];
    for (const old of before) {
      const next = nextOf.get(old.alerts.rule.spec.id);
      if (next === old) continue;
      if (next === undefined || !canTakeOver(old.alerts.rule, next.alerts.rule)) old.alerts.endAll();
      else handOver(old, next, { seen, nowUs: edit.nowUs });
    }
    this.#resetClocks();
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    to.number(this.#rules.length);
    for (const [i, { alerts }] of this.#rules.entries()) {
      to.text(JSON.stringify(alerts.rule.spec));
      if (i % RULES_PER_PAUSE === 0) yield;
    }
    for (const input of this.#inputs) yield* input.snapshot(to);
    for (const join of this.#joins) yield* join.snapshot(to);
    yield* this.eachAlerts((alerts) => alerts.snapshot(to));
  }

  /** What older versions did not store: which rules and inputs have failed. */
  snapshotStopped(to: SnapshotWriter): void {
    const rules = this.#rules.flatMap(({ alerts }, i) =>
      alerts.stopped === undefined ? [] : [{ i, reason: alerts.stopped }],
    );
    to.number(rules.length);
    for (const { i, reason } of rules) {
      to.number(i);
      to.text(reason);
    }
    to.doubles(Float64Array.from(this.#inputs.flatMap(({ isStopped }, i) => (isStopped ? [i] : []))));
  }

  restoreStopped(from: SnapshotReader): void {
    for (let left = from.number(); left > 0; left--) this.#rules[from.number()]?.alerts.stop(from.text());
    for (const i of from.doubles()) this.#inputs[i]?.stop();
    this.#connect();
  }

  /** What older versions did not store: when alerts changed, and the first readings. */
  *snapshotChanges(to: SnapshotWriter): Iterable<undefined> {
    yield* this.eachAlerts((alerts) => alerts.snapshotChanges(to));
    for (const input of this.#inputs) input.snapshotFirst(to);
  }

  /** Without `from`: an older version stored neither. */
  restoreChanges(from: SnapshotReader | undefined): void {
    if (from) for (const { alerts } of this.#rules) alerts.restoreChanges(from);
    for (const input of this.#inputs) input.restoreFirst(from);
  }

  /** Calls this for the alerts of each rule, with pauses. */
  *eachAlerts(call: (alerts: RuleAlerts) => void): Iterable<undefined> {
    for (const [i, { alerts }] of this.#rules.entries()) {
      call(alerts);
      if (i % RULES_PER_PAUSE === 0) yield;
    }
  }

  *restore(from: SnapshotReader): Iterable<undefined> {
    const rules: Rule[] = [];
    for (let left = from.number(); left > 0; left--) {
      const read = readRuleSpec(JSON.parse(from.text()));
      if (!read.ok) throw new BadSnapshotError(read.reason);
      rules.push(compileRule(read.spec));
      if (left % RULES_PER_PAUSE === 0) yield;
    }
    this.#put(rules);
    for (const input of this.#inputs) yield* input.restore(from);
    for (const join of this.#joins) yield* join.restore(from);
    yield* this.eachAlerts((alerts) => alerts.restore(from));
    this.#timers.reset(this.#inputs);
  }

  /** What older versions did not store: how long each key has been silent. */
  *snapshotLives(to: SnapshotWriter): Iterable<undefined> {
    for (const source of [...this.#inputs, ...this.#joins]) {
      source.snapshotLives(to);
      yield;
    }
  }

  /** Without `from`: the snapshot is older than forgetting, so every key counts as heard now. */
  *restoreLives(from: SnapshotReader | undefined): Iterable<undefined> {
    for (const source of [...this.#inputs, ...this.#joins]) {
      source.restoreLives(from);
      yield;
    }
    this.#lives.reset([...this.#inputs, ...this.#joins]);
  }

  #resetClocks(): void {
    this.#timers.reset(this.#inputs);
    this.#lives.reset([...this.#inputs, ...this.#joins]);
  }

  #advanceKey(nowUs: number): void {
    const owner = this.#timers.next;
    try {
      this.#timers.advance(nowUs);
    } catch (error) {
      this.stop(owner, error);
    }
  }

  #put(rules: readonly Rule[]): void {
    const inputs = new Map(this.#inputsToKeep(rules).map((input) => [input.identity, input]));
    const joins = new Map(this.#joins.map((join) => [join.identity, join]));
    const before = new Map(this.#rules.map((running) => [running.alerts.rule.spec.id, running]));
    const readers = new Map<Source, RuleAlerts[]>();
    const joined = new Map<Input, JoinedInput[]>();
    this.#rules = rules.map((rule) => {
      const own = rule.inputs.map((spec) => {
        const input =
          inputs.get(spec.identity) ?? new Input(spec, this.#context, { timers: this.#timers, lives: this.#lives });
        inputs.set(spec.identity, input);
        if (!joined.has(input)) joined.set(input, []);
        return input;
      });
      const source = rule.join ? this.#joinFor(rule.join, joins) : (own[0] as Input);
      if (source instanceof Join && !readers.has(source)) {
        for (const [name, { aggregate }] of source.spec.names.entries())
          joined.get(own[name] as Input)?.push({ join: source, name, read: readerOf(aggregate) });
      }
      const running = this.#continued(before.get(rule.spec.id), rule, source);
      const { windowsPerKey } = rule;
      if (windowsPerKey > WINDOWS_PER_KEY_MAX)
        running.alerts.stop(`each key would keep ${windowsPerKey} windows; at most ${WINDOWS_PER_KEY_MAX} may be kept`);
      readers.set(source, [...(readers.get(source) ?? []), running.alerts]);
      return running;
    });
    this.#inputs = [...joined.keys()];
    this.#joins = [...readers.keys()].filter((source) => source instanceof Join);
    this.#connect = () => {
      for (const input of this.#inputs) input.connect(readers.get(input) ?? [], joined.get(input) ?? []);
    };
    for (const [index, input] of this.#inputs.entries()) input.index = index;
    this.#connect();
    for (const [index, join] of this.#joins.entries()) {
      join.order = this.#inputs.length + index;
      join.connect(
        readers.get(join) ?? [],
        join.spec.names.map(({ input }) => inputs.get(input.identity) as Input),
      );
    }
    this.#forgetTimes = this.#sharedForgetTimes(inputs);
    this.#watches = this.#inputs.some(({ absences }) => absences !== undefined);
    this.#index = indexOf(this.#inputs);
  }

  /** Inputs that have failed are tried again when one of their rules was edited. */
  #inputsToKeep(rules: readonly Rule[]): readonly Input[] {
    const before = new Set(this.#rules.map(({ alerts }) => JSON.stringify(alerts.rule.spec)));
    const edited = rules.filter(({ spec }) => !before.has(JSON.stringify(spec)));
    const tried = new Set(edited.flatMap((rule) => rule.inputs.map(({ identity }) => identity)));
    return this.#inputs.filter(({ isStopped, identity }) => !isStopped || !tried.has(identity));
  }

  #sharedForgetTimes(inputs: ReadonlyMap<string, Input>): ForgetTimes {
    return shareForgetTimes(
      this.#rules.map(({ alerts: { rule }, source }) => ({
        forgetUs: rule.forgetUs,
        sources: [source, ...rule.inputs.map(({ identity }) => inputs.get(identity) as Input)],
      })),
    );
  }

  #joinFor(spec: JoinSpec, joins: Map<string, Join>): Join {
    const join = joins.get(spec.identity) ?? new Join(spec, this.#context, this.#lives);
    joins.set(spec.identity, join);
    return join;
  }

  /** Keeps the running rule if its source stays the same; otherwise makes a new one. */
  #continued(old: RunningRule | undefined, rule: Rule, source: Source): RunningRule {
    if (old === undefined || old.source !== source || !canTakeOver(old.alerts.rule, rule))
      return { alerts: new RuleAlerts(rule, source, this.#context, () => this.#connect()), source };
    old.alerts.continueAs(rule);
    return old;
  }
}

function indexOf(inputs: readonly Input[]): SeriesIndex<Input> {
  return new SeriesIndex(inputs, ({ spec }) => spec.selector);
}
