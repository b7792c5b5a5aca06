import type { AlertState, Severity } from "../../../domain/alert.ts";
import { AlertLevels, type LevelAt } from "./levels.ts";
import type { OracleRule } from "./model.ts";
import { durationUs } from "./texts.ts";

/** The condition of a change outside active time. */
export const NOT_ACTIVE = "not in active time";

/** A transition of an alert. */
export interface Move {
  readonly from: AlertState;
  readonly state: AlertState;
  readonly activeAtUs: number;
  readonly flapping: true | undefined;
  /** Undefined before it fires. */
  readonly firedAtUs: number | undefined;
  /** The values of the incident so far, in order. */
  readonly values: readonly (number | string)[];
  readonly severity?: Severity | undefined;
  readonly severityBefore?: Severity | undefined;
  /** Undefined: by the levels of the alert. */
  readonly worstSeverity?: Severity | undefined;
}

/** A result that an alert evaluates. */
export interface EvaluatedResult {
  readonly startUs: number;
  readonly endUs: number;
  readonly value: number | string;
  readonly holds: boolean;
  readonly clears: boolean;
  readonly inActiveTime: boolean;
  /** Idleness emitted its window, so it is evaluated again when it changes. */
  readonly provisional: boolean;
  /** Undefined for a rule without `levels`. */
  readonly levels?: readonly LevelAt[] | undefined;
}

/** The alert of one key. It evaluates window results in order. */
export class Alert {
  state: "inactive" | "pending" | "firing" = "inactive";
  activeAtUs = 0;
  evaluatedEndUs = Number.NEGATIVE_INFINITY;
  evaluatedValue: number | string = 0;
  /** The values evaluated since it became active. An edit may replace them. */
  values: readonly (number | string)[] = [];
  /** Undefined as long as no level above the least severe one has counted. */
  levels = new AlertLevels();
  #firedAtUs: number | undefined;
  #changedUs = Number.NEGATIVE_INFINITY;
  /** While it is pending: since when the condition has held without a gap. */
  #heldSinceUs = 0;
  /** The usual time between two results. */
  #intervalUs: number | undefined;
  /** The times of the latest consecutive evaluations in which the end condition held. */
  #clearUs: number[] = [];
  #flapping = false;
  /** The times at which it began to fire, ended, or would have ended. */
  #changesUs: number[] = [];

  evaluate(rule: OracleRule, result: EvaluatedResult): Move | undefined {
    // Of a rule with levels, corrections are not evaluated again.
    if (result.levels !== undefined && result.endUs <= this.evaluatedEndUs) return undefined;
    return result.levels === undefined ? this.#evaluateWhole(rule, result) : this.#evaluateLevels(rule, result);
  }

  #evaluateLevels(rule: OracleRule, result: EvaluatedResult): Move | undefined {
    const { levels = [], endUs } = result;
    const [least] = levels;
    if (least === undefined) throw new RangeError("no level");
    const before = this.levels.severity ?? least.severity;
    const move = this.#evaluateWhole(rule, { ...result, clears: this.levels.clears(levels) });
    if (this.state === "inactive") {
      const worstSeverity = this.levels.worse(before);
      this.levels = new AlertLevels();
      return move && { ...move, severity: before, worstSeverity };
    }
    const forUs = durationUs(rule.for ?? "0s");
    const how = { forUs, keepUs: durationUs(rule.keep_firing_for ?? "0s"), firing: this.state === "firing" };
    const severity = this.levels.see(endUs, levels, how);
    this.levels.severity = severity === least.severity ? undefined : severity;
    if (severity !== least.severity) this.levels.had = [...this.levels.had, severity];
    const begins = move !== undefined && move.from !== "firing";
    if (this.state !== "firing" || begins || severity === before) return move && { ...move, severity };
    const { activeAtUs, values } = this;
    const flapping = this.#flapping || undefined;
    const firedAtUs = this.#firedAtUs;
    const stays = { from: "firing", state: "firing", activeAtUs, flapping, firedAtUs, values } as const;
    return { ...(move ?? stays), severity, severityBefore: before };
  }

  #evaluateWhole(rule: OracleRule, result: EvaluatedResult): Move | undefined {
    const { endUs, value, holds, clears, inActiveTime, provisional } = result;
    if (endUs <= this.evaluatedEndUs) {
      const isAfter = endUs > this.#changedUs || (endUs === this.#changedUs && this.state === "pending");
      if (!isAfter || !provisional) return undefined;
    }
    const forUs = durationUs(rule.for ?? "0s");
    const afterGap = forUs > 0 && endUs > this.evaluatedEndUs && this.#passGap(rule, result);
    if (endUs >= this.evaluatedEndUs) {
      this.evaluatedEndUs = endUs;
      this.evaluatedValue = value;
    }
    if (inActiveTime && (holds || this.state !== "inactive")) this.note(value);
    if (this.state === "inactive") {
      if (!holds) return undefined;
      if (forUs === 0) return this.fire(rule, endUs, endUs);
      this.activeAtUs = endUs;
      this.#heldSinceUs = endUs;
      return this.#move("pending", endUs);
    }
    if (this.state === "pending") {
      if (!holds) return this.#move("inactive", endUs);
      if (afterGap) this.#heldSinceUs = endUs;
      return endUs - this.#heldSinceUs >= forUs ? this.fire(rule, endUs, this.activeAtUs) : undefined;
    }
    return this.evaluateEnd(rule, endUs, clears);
  }

  /** Whether the time since the last result is a gap. That time then counts for the interval. */
  #passGap({ max_gap }: OracleRule, { startUs, endUs }: EvaluatedResult): boolean {
    if (this.evaluatedEndUs === Number.NEGATIVE_INFINITY) return false;
    const waitedUs = endUs - this.evaluatedEndUs;
    const intervalUs = this.#intervalUs;
    this.#intervalUs = intervalUs === undefined ? waitedUs : Math.max(waitedUs, (7 / 8) * intervalUs);
    if (max_gap !== undefined) return waitedUs > durationUs(max_gap);
    return intervalUs !== undefined && waitedUs > 3 * intervalUs && waitedUs > 2 * (endUs - startUs);
  }

  /** Counts a value of the incident. */
  note(value: number | string): void {
    this.values = [...this.values, value];
  }

  fire(rule: OracleRule, atUs: number, activeAtUs: number): Move {
    this.activeAtUs = activeAtUs;
    this.#firedAtUs = atUs;
    this.#flapping = this.#isFlappingWith(rule, atUs);
    return this.#move("firing", atUs);
  }

  /** Evaluates whether a firing alert ends. */
  evaluateEnd(rule: OracleRule, atUs: number, clears: boolean): Move | undefined {
    this.#clearUs = clears ? [...this.#clearUs, atUs] : [];
    const sinceUs = this.#clearUs[0];
    if (sinceUs === undefined) return undefined;
    const withinUs = this.#flapping ? durationUs(rule.flapping?.within ?? "0s") : 0;
    if (atUs - sinceUs < Math.max(withinUs, durationUs(rule.keep_firing_for ?? "0s"))) return undefined;
    if (this.#flapping) return this.end(atUs);
    if (!this.#isFlappingWith(rule, atUs)) return this.#move("inactive", atUs);
    this.#flapping = true;
    this.#changedUs = atUs;
    const { activeAtUs, values } = this;
    return { from: "firing", state: "firing", activeAtUs, flapping: true, firedAtUs: this.#firedAtUs, values };
  }

  /** Ends the alert, whatever its state. */
  end(atUs: number): Move {
    if (this.state === "firing") this.#changesUs.push(atUs);
    const flapping = this.#flapping || undefined;
    if (flapping) this.forgetFlapping();
    return { ...this.#move("inactive", atUs), flapping };
  }

  forgetFlapping(): void {
    this.#flapping = false;
    this.#changesUs = [];
  }

  /** Counts a change. Returns whether it makes the alert flap. */
  #isFlappingWith({ flapping }: OracleRule, atUs: number): boolean {
    if (flapping === undefined) return false;
    const afterUs = atUs - durationUs(flapping.within);
    this.#changesUs = [...this.#changesUs, atUs].filter((each) => each > afterUs);
    return this.#changesUs.length >= flapping.changes;
  }

  #move(to: "inactive" | "pending" | "firing", atUs: number): Move {
    const from = this.state;
    this.#changedUs = atUs;
    this.state = to;
    this.#clearUs = [];
    const state = from === "firing" && to === "inactive" ? "resolved" : to;
    const { activeAtUs, values } = this;
    const firedAtUs = from === "firing" || to === "firing" ? this.#firedAtUs : undefined;
    if (to === "inactive") this.values = [];
    return { from, state, activeAtUs, flapping: this.#flapping || undefined, firedAtUs, values };
  }
}
