import type { AlertChange, AlertState } from "../../domain/alert.ts";
import { fnv1a32 } from "../../domain/partition.ts";
import type { Tags } from "../../domain/reading.ts";
import { resultsOfRules, type SharedResult, type WindowResult } from "../../domain/window-result.ts";
import type { Rule } from "../rules/compile.ts";
import { AlertStates, type Transition } from "./alert-states.ts";
import { fillAnnotations } from "./annotations.ts";
import type { Input } from "./input.ts";
import { keyName } from "./key-table.ts";
import type { SnapshotReader, SnapshotWriter } from "./snapshot-io.ts";
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

/** What keeps the notifier silent. */
const MUTED = { weir_muted: "true" };

interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

/** One rule at work on what its input tells: results and alerts. */
export class RuleState {
  readonly #context: StepContext;
  readonly #alerts = new AlertStates();
  #rule: Rule;
  #input: Input;

  constructor(rule: Rule, input: Input, context: StepContext) {
    this.#rule = rule;
    this.#input = input;
    this.#context = context;
  }

  get rule(): Rule {
    return this.#rule;
  }

  get input(): Input {
    return this.#input;
  }

  /** Goes on under an edited rule with the same input: incidents stay. */
  goOnAs(rule: Rule): void {
    this.#rule = rule;
  }

  /** Takes over where an earlier form of the rule left off for a key. */
  adopt(key: number, from: RuleState, fromKey: number): void {
    this.#alerts.adopt(key, from.#alerts, fromKey);
  }

  /** Whether the alert of a key is open, or has looked at anything. */
  hasHistory(key: number): boolean {
    return this.#alerts.isActive(key) || this.#alerts.last(key).endUs > Number.NEGATIVE_INFINITY;
  }

  onWindow(key: number, window: Span & { readonly value: number | string }): void {
    const transition = this.#alerts.look(key, this.#rule, window);
    if (transition) this.#tell(key, transition, window);
  }

  onAbsence(key: number, isAbsent: boolean, silence: Silence): void {
    const { sinceUs, atUs, watchedUs } = silence;
    const value = watchedUs / 1e6;
    const transition = this.#alerts.set(key, isAbsent, { endUs: atUs, value });
    if (transition) this.#tell(key, transition, { startUs: sinceUs, endUs: atUs, value });
  }

  /** Ends an open incident whose rule, or whose key, goes away. */
  end(key: number): void {
    const transition = this.#alerts.end(key);
    if (!transition) return;
    const silence = this.#input.absences?.silence(key, this.#context.position.storedAtUs);
    const { endUs, value } = silence ? { endUs: silence.atUs, value: silence.watchedUs / 1e6 } : this.#alerts.last(key);
    this.#tell(key, transition, { startUs: silence?.sinceUs ?? endUs, endUs, value });
  }

  endAll(): void {
    for (let key = 0; key < this.#input.keyCount; key++) this.end(key);
  }

  snapshot(to: SnapshotWriter): void {
    this.#alerts.snapshot(to);
  }

  restore(from: SnapshotReader): void {
    this.#alerts.restore(from);
  }

  #tell(key: number, transition: Transition, window: Span & { readonly value: number | string }): void {
    const { spec } = this.#rule;
    const { position, output } = this.#context;
    const group = this.#input.labels(key);
    const labels = { ...spec.labels, ...group, ...(spec.shadow && MUTED) };
    const { startUs, endUs, value } = window;
    output.alerts.push({
      id: `${position.partition}-${position.sequence}-${output.alerts.length}`,
      incident: `${spec.id}-${keyHash(group)}-${transition.activeAtUs.toString(36)}`,
      rule: spec.id,
      severity: spec.severity,
      from: transition.from,
      state: transition.state,
      key: group,
      labels,
      annotations: fillAnnotations(spec.annotations, labels, value),
      atUs: endUs,
      processedAtUs: position.storedAtUs,
      activeAtUs: transition.activeAtUs,
      value,
      notify: spec.notify,
      evidence: {
        window: { startUs, endUs },
        aggregate: spec.absent === undefined ? (spec.aggregate[0] as string) : "absent",
        value,
        condition: conditionText(this.#rule, transition.state),
        watermarkUs: this.#input.watermarkUs(key),
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

function conditionText({ spec }: Rule, state: AlertState): string {
  if (spec.absent !== undefined) return state === "resolved" ? `not absent ${spec.absent}` : `absent ${spec.absent}`;
  const { when = "", clear } = spec;
  if (state === "resolved") return clear ?? `not ${when}`;
  return state === "inactive" ? `not ${when}` : when;
}
