import type { AlertState } from "../../../domain/alert.ts";
import type { OracleRule } from "./model.ts";
import { durationUs, fulfils, looksAt } from "./texts.ts";

/** One step of an alert. */
export interface Move {
  readonly from: AlertState;
  readonly state: AlertState;
  readonly activeAtUs: number;
}

/** The alert of one key: looks at window results, one after the other. */
export class Alert {
  state: "inactive" | "pending" | "firing" = "inactive";
  activeAtUs = 0;
  lookedEndUs = Number.NEGATIVE_INFINITY;
  lookedValue: number | string = 0;
  /** Ends of the newest looks in a row at which the alert's end held. */
  #clearEndsUs: number[] = [];

  look(rule: OracleRule, endUs: number, value: number | string): Move | undefined {
    if (rule.when === undefined || !looksAt(rule.when, value) || endUs <= this.lookedEndUs) return undefined;
    this.lookedEndUs = endUs;
    this.lookedValue = value;
    const holds = fulfils(rule.when, value);
    if (this.state === "inactive") {
      if (!holds) return undefined;
      this.activeAtUs = endUs;
      return this.move(durationUs(rule.for ?? "0s") === 0 ? "firing" : "pending");
    }
    if (this.state === "pending") {
      if (!holds) return this.move("inactive");
      return endUs - this.activeAtUs >= durationUs(rule.for ?? "0s") ? this.move("firing") : undefined;
    }
    const clears = rule.clear === undefined ? !holds : looksAt(rule.clear, value) && fulfils(rule.clear, value);
    this.#clearEndsUs = clears ? [...this.#clearEndsUs, endUs] : [];
    const since = this.#clearEndsUs[0] ?? endUs;
    const long = endUs - since >= durationUs(rule.keep_firing_for ?? "0s");
    return clears && long ? this.move("inactive") : undefined;
  }

  move(to: "inactive" | "pending" | "firing"): Move {
    const from = this.state;
    this.state = to;
    this.#clearEndsUs = [];
    const state = from === "firing" && to === "inactive" ? "resolved" : to;
    return { from, state, activeAtUs: this.activeAtUs };
  }
}
