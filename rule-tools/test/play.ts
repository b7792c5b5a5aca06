import type { AlertChange } from "../../domain/alert.ts";
import { type LogEntry, SeriesTable } from "../../domain/frame-reader.ts";
import { kindOf } from "../../domain/reading.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { Step } from "../../engine/step.ts";
import { versionOf } from "../../rule-language/files/load-rules.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { ColumnBatch } from "../backtest/column-batch.ts";
import type { Action, TestReading } from "./schedule.ts";

/** The outputs of a step, with their processing times. */
export interface Played {
  readonly changes: readonly { readonly emittedUs: number; readonly change: AlertChange }[];
  readonly windows: readonly { readonly emittedUs: number; readonly result: WindowResult }[];
}

/**
 * Plays a schedule through the gateway's own step. As in the processor, a tick is applied whenever the passing of
 * time has an effect, except during an outage.
 */
export function play(
  specs: readonly RuleSpec[],
  actions: readonly Action[],
  time: { readonly startUs: number; readonly untilUs: number },
): Played {
  const player = new Player(time.startUs);
  player.setRules(time.startUs, specs);
  for (const action of actions) {
    player.carryTo(action.atUs, { inclusive: false });
    switch (action.kind) {
      case "readings":
        player.readings(action.atUs, action.readings);
        break;
      case "edit":
        player.setRules(action.atUs, action.specs);
        break;
      case "restart":
        player.restart();
        break;
      case "tick":
        player.apply({ kind: "tick" }, action.atUs);
        break;
      case "down":
        player.downUntil(action.untilUs);
        break;
    }
  }
  player.carryTo(time.untilUs, { inclusive: true });
  return player.played;
}

class Player {
  readonly played = { changes: [] as Played["changes"][number][], windows: [] as Played["windows"][number][] };
  #table = new SeriesTable();
  #batch = new ColumnBatch(this.#table);
  #step = new Step(this.#table);
  #sequence = 0;
  #nowUs: number;
  #downUntilUs = Number.NEGATIVE_INFINITY;

  constructor(startUs: number) {
    this.#nowUs = startUs;
  }

  apply(entry: LogEntry, atUs: number): void {
    this.#nowUs = Math.max(this.#nowUs, atUs);
    const position = { task: 0, sequence: ++this.#sequence, storedAtUs: this.#nowUs };
    const { alerts, windows } = this.#step.apply(entry, position);
    for (const change of alerts) this.played.changes.push({ emittedUs: this.#nowUs, change });
    for (const result of windows) this.played.windows.push({ emittedUs: this.#nowUs, result });
  }

  setRules(atUs: number, specs: readonly RuleSpec[]): void {
    this.apply({ kind: "rule_set", version: versionOf(specs), rulesJson: JSON.stringify(specs) }, atUs);
  }

  readings(atUs: number, readings: readonly TestReading[]): void {
    for (const { device, metric, tags, atUs: observedUs, value } of readings) {
      this.#batch.addTo(this.#table.idOf({ device, metric, tags, kind: kindOf(value) }), observedUs, value);
    }
    this.apply(this.#batch.finish(atUs), atUs);
  }

  carryTo(atUs: number, { inclusive }: { readonly inclusive: boolean }): void {
    for (;;) {
      // Time never goes backwards.
      const dueUs = Math.max(this.#step.nextDueUs, this.#nowUs + 1, this.#downUntilUs);
      if (inclusive ? dueUs > atUs : dueUs >= atUs) return;
      this.apply({ kind: "tick" }, dueUs);
    }
  }

  downUntil(untilUs: number): void {
    this.#downUntilUs = Math.max(this.#downUntilUs, untilUs);
  }

  /** Restores everything from the saved state, as a new process would. */
  restart(): void {
    const saved = structuredClone([...this.#step.snapshot()]);
    this.#table = new SeriesTable();
    this.#batch = new ColumnBatch(this.#table);
    this.#step = new Step(this.#table);
    this.#step.restore(saved);
  }
}
