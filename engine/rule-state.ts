import type { AlertChange, AlertState, EvidencePart } from "../domain/alert.ts";
import { fnv1a32 } from "../domain/partition.ts";
import type { Tags } from "../domain/reading.ts";
import { resultsOfRules, type SharedResult, type WindowResult } from "../domain/window-result.ts";
import { AlertStates, type Transition } from "./alerts/alert-states.ts";
import { fillAnnotations } from "./alerts/annotations.ts";
import { lastEndUs } from "./join.ts";
import type { JoinSpec, Rule } from "./rules/compile.ts";
import type { Told } from "./rules/judge.ts";
import type { Source } from "./source.ts";
import { keyName } from "./state/key-table.ts";
import type { SnapshotReader, SnapshotWriter } from "./state/snapshot-io.ts";
import type { Silence } from "./windows/absences.ts";

/** The log entry that a step is working on. `partition` is the number of the task. */
export interface EntryPosition {
  readonly partition: number;
  readonly sequence: number;
  readonly storedAtUs: number;
}

/** What a step says. */
export class StepOutput {
  /** Results that rules share stand here once. */
  readonly results: SharedResult[] = [];
  readonly alerts: AlertChange[] = [];

  /** The results of each rule. */
  get windows(): WindowResult[] {
    return this.results.flatMap(resultsOfRules);
  }
}

/** Where the current step's position and outputs are found; one object per step, changed in place. */
export interface StepContext {
  position: EntryPosition;
  output: StepOutput;
}

/** What conditions count as outside of a rule's active time. */
const INACTIVE = { holds: false, clears: true };
const NOT_ACTIVE = "not in active time";
/** What keeps the notifier silent. */
const MUTED = { weir_muted: "true" };

interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

interface Telling extends Span {
  readonly value: number | string;
  readonly told?: Told;
  /** Whether the rule was. */
  readonly isActive?: boolean;
}

/** One rule at work on what its source tells. */
export class RuleState {
  readonly #context: StepContext;
  readonly #alerts = new AlertStates();
  #rule: Rule;
  readonly #source: Source;

  constructor(rule: Rule, source: Source, context: StepContext) {
    this.#rule = rule;
    this.#source = source;
    this.#context = context;
  }

  get rule(): Rule {
    return this.#rule;
  }

  get source(): Source {
    return this.#source;
  }

  /** Goes on under an edited rule with the same source: incidents stay. */
  goOnAs(rule: Rule): void {
    this.#rule = rule;
    if (rule.flapping === undefined) this.#alerts.forgetFlapping();
  }

  /** Takes over where an earlier form of the rule left off for a key. */
  adopt(key: number, from: RuleState, fromKey: number): void {
    this.#alerts.adopt(key, from.#alerts, fromKey);
    if (this.#rule.flapping === undefined) this.#alerts.forgetFlapping();
  }

  /** Whether the alert of a key is open, or has looked at anything. */
  hasHistory(key: number): boolean {
    return this.#alerts.isActive(key) || this.#alerts.last(key).endUs > Number.NEGATIVE_INFINITY;
  }

  onWindow(key: number, { startUs, endUs, told }: Span & { readonly told: Told }): void {
    const { judge, valueName, active } = this.#rule;
    const judged = judge?.(told);
    if (judged === undefined) return;
    const value = told[valueName] ?? Number.NaN;
    const isActive = active === undefined || active.isActive(endUs - 1);
    const { holds, clears } = isActive ? judged : INACTIVE;
    // Each window of each rule comes by here: no copy of the verdict.
    const transition = this.#alerts.look(key, this.#rule, { endUs, value, holds, clears });
    if (transition) this.#tell(key, transition, { startUs, endUs, value, told, isActive });
  }

  /** Whether the next reading is awaited still. */
  onAbsence(key: number, isAbsent: boolean, silence: Silence): boolean {
    const { sinceUs, atUs, watchedUs } = silence;
    const value = watchedUs / 1e6;
    const transition = this.#alerts.set(key, this.#rule, { endUs: atUs, value, isFiring: isAbsent });
    if (transition) this.#tell(key, transition, { startUs: sinceUs, endUs: atUs, value });
    return this.#alerts.isActive(key);
  }

  /** Ends an open incident whose rule, or whose key, goes away. */
  end(key: number): void {
    const transition = this.#alerts.end(key);
    if (!transition) return;
    const silence = this.#source.absences?.silence(key, this.#context.position.storedAtUs);
    const { endUs, value } = silence ? { endUs: silence.atUs, value: silence.watchedUs / 1e6 } : this.#alerts.last(key);
    this.#tell(key, transition, { startUs: silence?.sinceUs ?? endUs, endUs, value });
  }

  endAll(): void {
    for (let key = 0; key < this.#source.keyCount; key++) this.end(key);
  }

  snapshot(to: SnapshotWriter): void {
    this.#alerts.snapshot(to);
  }

  restore(from: SnapshotReader): void {
    this.#alerts.restore(from);
  }

  #tell(key: number, transition: Transition, window: Telling): void {
    const { spec, join, annotations } = this.#rule;
    const { position, output } = this.#context;
    const group = this.#source.labels(key);
    const labels = { ...spec.labels, ...group, ...(spec.shadow && MUTED) };
    const { startUs, endUs, value, told } = window;
    const parts = join && told && partsOf(join, endUs, told);
    const condition = window.isActive === false ? NOT_ACTIVE : conditionText(this.#rule, transition.state);
    const { id: rule, severity } = spec;
    const { state, activeAtUs } = transition;
    output.alerts.push({
      id: `${position.partition}-${position.sequence}-${output.alerts.length}`,
      incident: `${spec.id}-${keyHash(group)}-${activeAtUs.toString(36)}`,
      rule,
      severity,
      from: transition.from,
      state,
      key: group,
      labels,
      annotations: fillAnnotations(annotations, {
        ...{ value, labels, told, rule, severity, state, atUs: endUs, activeAtUs, condition },
      }),
      atUs: endUs,
      processedAtUs: position.storedAtUs,
      activeAtUs,
      value,
      notify: spec.notify,
      ...(transition.isFlapping && { flapping: true }),
      ...(spec.inhibited_by.length > 0 && { inhibitedBy: spec.inhibited_by }),
      evidence: {
        window: { startUs, endUs },
        aggregate: spec.absent === undefined ? this.#rule.valueName : "absent",
        value,
        ...(parts && { parts }),
        condition,
        watermarkUs: this.#source.watermarkUs(key),
        input: { partition: position.partition, sequence: position.sequence },
      },
    });
  }
}

/** Names a group in a subject and in an incident: 64 bits, in hex. */
export function keyHash(labels: Tags): string {
  const name = keyName(labels);
  return fnv1a32(name).toString(16).padStart(8, "0") + fnv1a32(`${name}\u0002`).toString(16).padStart(8, "0");
}

/** What each series of a condition said at `endUs`. */
function partsOf({ names }: JoinSpec, endUs: number, told: Told): EvidencePart[] {
  return names.map(({ name, aggregate, sizeUs, everyUs }) => {
    const ownEndUs = lastEndUs(endUs, everyUs);
    const window = { startUs: ownEndUs - sizeUs, endUs: ownEndUs };
    return { name, aggregate: aggregate.name, window, value: told[name] ?? Number.NaN };
  });
}

function conditionText({ spec }: Rule, state: AlertState): string {
  if (spec.absent !== undefined) return state === "resolved" ? `not absent ${spec.absent}` : `absent ${spec.absent}`;
  const { when = "", clear } = spec;
  if (state === "resolved") return clear ?? `not ${when}`;
  return state === "inactive" ? `not ${when}` : when;
}
