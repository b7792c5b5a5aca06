import type { AlertChange, AlertState } from "../../domain/alert.ts";
import { fnv1a32 } from "../../domain/partition.ts";
import type { Series, Tags } from "../../domain/reading.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { groupLabels, type Rule } from "../rules/compile.ts";
import { AlertStates, type Transition } from "./alert-states.ts";
import { fillAnnotations } from "./annotations.ts";
import { TumblingWindows, type WindowsSnapshot } from "./tumbling-windows.ts";

/** The log entry that a step is working on. */
export interface EntryPosition {
  readonly partition: number;
  readonly sequence: number;
  readonly storedAtUs: number;
}

/** What a step says. */
export interface StepOutput {
  readonly windows: WindowResult[];
  readonly alerts: AlertChange[];
}

/** Where the current step's position and outputs are found; one object per step, changed in place. */
export interface StepContext {
  position: EntryPosition;
  output: StepOutput;
}

/** One rule at work on one partition: its keys, their windows and their alerts. */
export class RuleState {
  readonly windows: TumblingWindows;
  readonly #context: StepContext;
  readonly #alerts = new AlertStates();
  readonly #keyOf = new Map<string, number>();
  readonly #labels: Tags[] = [];
  /** The partition-wide timer of each key. */
  readonly timers: number[] = [];
  #rule: Rule;
  #index: number;

  /** `index`: the rule's place in its rule set. */
  constructor(rule: Rule, context: StepContext, index: number) {
    this.#rule = rule;
    this.#index = index;
    this.#context = context;
    const { sizeUs, latenessUs, retainUs } = rule;
    this.windows = new TumblingWindows(
      { sizeUs, latenessUs, retainUs, late: rule.spec.late, aggregates: rule.spec.aggregate },
      (key, pane) => this.#onWindow(key, pane),
    );
  }

  get rule(): Rule {
    return this.#rule;
  }

  get index(): number {
    return this.#index;
  }

  /** Goes on under an edited rule of the same shape: windows and incidents stay. */
  goOnAs(rule: Rule, index: number): void {
    if (rule.when === undefined) this.endAll();
    this.#rule = rule;
    this.#index = index;
  }

  /** The key of a series' group, new ones included. */
  keyFor(series: Series, newTimer: () => number): number {
    const labels = groupLabels(this.#rule.spec.group_by, series);
    const name = keyName(labels);
    let key = this.#keyOf.get(name);
    if (key === undefined) {
      key = this.windows.addKey();
      this.#alerts.addKey();
      this.#keyOf.set(name, key);
      this.#labels.push(labels);
      this.timers.push(newTimer());
    }
    return key;
  }

  /** Ends every open incident, because the rule goes away. */
  endAll(): void {
    for (let key = 0; key < this.#labels.length; key++) {
      const last = this.#alerts.last(key);
      const transition = this.#alerts.end(key);
      if (transition) this.#tell(key, transition, { startUs: last.endUs - this.#rule.sizeUs, ...last });
    }
  }

  snapshot(): RuleSnapshot {
    return {
      spec: this.#rule.spec,
      labels: this.#labels,
      windows: this.windows.snapshot(),
      alerts: this.#alerts.snapshot(),
    };
  }

  restore(snapshot: RuleSnapshot, newTimer: () => number): void {
    this.windows.restore(snapshot.windows);
    this.#alerts.restore(snapshot.alerts);
    for (const [key, labels] of snapshot.labels.entries()) {
      this.#keyOf.set(keyName(labels), key);
      this.#labels.push(labels);
      this.timers.push(newTimer());
    }
  }

  #onWindow(key: number, pane: number): void {
    const { panes } = this.windows;
    const startUs = panes.startUs(pane);
    const endUs = this.windows.endUs(pane);
    const aggregates: Record<string, number> = {};
    for (const name of this.#rule.spec.aggregate) aggregates[name] = panes.value(pane, name);
    const labels = this.#labels[key] as Tags;
    const revision = panes.revise(pane);
    this.#context.output.windows.push({ rule: this.#rule.spec.id, labels, startUs, endUs, revision, aggregates });
    const value = aggregates[this.#rule.spec.aggregate[0] as string] as number;
    const transition = this.#alerts.evaluate(key, this.#rule, { endUs, value });
    if (transition) this.#tell(key, transition, { startUs, endUs, value });
  }

  #tell(key: number, transition: Transition, window: { startUs: number; endUs: number; value: number }): void {
    const { spec } = this.#rule;
    const { position, output } = this.#context;
    const group = this.#labels[key] as Tags;
    const labels = { ...spec.labels, ...group };
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
        aggregate: spec.aggregate[0] as string,
        value,
        condition: conditionText(this.#rule, transition.state),
        watermarkUs: this.windows.watermarkUs(key),
        input: { partition: position.partition, sequence: position.sequence },
      },
    });
  }
}

export interface RuleSnapshot {
  readonly spec: Rule["spec"];
  readonly labels: readonly Tags[];
  readonly windows: WindowsSnapshot;
  readonly alerts: Float64Array;
}

/** Names a group in a subject and in an incident: 64 bits, in hex. */
export function keyHash(labels: Tags): string {
  const name = keyName(labels);
  return fnv1a32(name).toString(16).padStart(8, "0") + fnv1a32(`${name}\u0002`).toString(16).padStart(8, "0");
}

function keyName(labels: Tags): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}\u0001${value}`)
    .sort()
    .join("\u0000");
}

function conditionText(rule: Rule, state: AlertState): string {
  const { when = "", clear } = rule.spec;
  if (state === "resolved") return clear ?? `not ${when}`;
  return state === "inactive" ? `not ${when}` : when;
}
