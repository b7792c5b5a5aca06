import { setTimeout as sleep } from "node:timers/promises";
import { isOverDevices } from "../crash/logs.ts";
import type { Random } from "../simulation/random.ts";
import type { Edits } from "./edits.ts";
import { OWN_FILE, type RuleFiles, specsOf, WARM } from "./rule-files.ts";
import type { RuleSetsInLog } from "./rule-sets-in-log.ts";
import type { Way, Writer } from "./writer.ts";

/** One edit that took effect. */
export interface Reload {
  readonly what: string;
  readonly way: Way;
  /** When the first and the last byte were written. */
  readonly startedAtUs: number;
  readonly writtenAtUs: number;
  /** As the log must hold it, for partitions and for shares. */
  readonly rulesJson: string;
  readonly sharesJson: string;
  /** Whether no other content was on the disk for long enough that the gateway could rightly read it. */
  readonly isExact: boolean;
}

/** Content that stays unchanged for less than this must not take effect. */
const PASSING_MS_MAX = 250;
const IN_FORCE_MS_MAX = 120_000;
const PAUSE_MS_MAX = 200;
/** The texts of the incidents' end. */
export const COOL_SUMMARY = "cool at last";

/** Makes edits one after the other, and waits for each to be in the log. */
export class Reloading {
  readonly reloads: Reload[] = [];
  readonly #edits: Edits;
  readonly #writer: Writer;
  readonly #ruleSets: RuleSetsInLog;
  readonly #random: Random;
  #files: RuleFiles;

  constructor(options: {
    readonly files: RuleFiles;
    readonly edits: Edits;
    readonly writer: Writer;
    readonly ruleSets: RuleSetsInLog;
    readonly random: Random;
  }) {
    this.#files = options.files;
    this.#edits = options.edits;
    this.#writer = options.writer;
    this.#ruleSets = options.ruleSets;
    this.#random = options.random;
    this.first = jsonOf(options.files);
  }

  /** What was in force before all reloads. */
  readonly first: { readonly rulesJson: string; readonly sharesJson: string };

  get ruleSets(): RuleSetsInLog {
    return this.#ruleSets;
  }

  async begin(): Promise<void> {
    await this.#untilInForce(this.first);
  }

  async once(): Promise<void> {
    const edit = this.#edits.next(this.#files);
    await this.#apply(edit.what, edit.file, edit.rules);
  }

  /** The last edit: no device is warm any longer. */
  async cool(): Promise<void> {
    const change = { when: "> 90", annotations: { summary: COOL_SUMMARY } };
    const rules = (this.#files.get(OWN_FILE) ?? []).map((rule) => (rule.id === WARM ? { ...rule, ...change } : rule));
    await this.#apply("cool", OWN_FILE, rules);
  }

  async #apply(what: string, file: string, rules: ReturnType<RuleFiles["get"]>): Promise<void> {
    const random = this.#random;
    const disturbedMs = random.chance(0.3) ? await this.#writer.disturb(OWN_FILE) : 0;
    const files = new Map(this.#files);
    if (rules === undefined) files.delete(file);
    else files.set(file, rules);
    this.#files = files;
    const written = await (rules === undefined ? this.#writer.remove(file) : this.#writer.write(file, rules));
    const json = jsonOf(files);
    const { way, startedAtUs, endedAtUs: writtenAtUs, halfwayMs } = written;
    const isExact = Math.max(halfwayMs, disturbedMs) < PASSING_MS_MAX;
    this.reloads.push({ what, way, startedAtUs, writtenAtUs, ...json, isExact });
    await this.#untilInForce(json);
    await sleep(random.whole(0, PAUSE_MS_MAX));
  }

  async #untilInForce({ rulesJson, sharesJson }: Reloading["first"]): Promise<void> {
    await this.#ruleSets.until(rulesJson, sharesJson, IN_FORCE_MS_MAX);
  }
}

function jsonOf(files: RuleFiles): { readonly rulesJson: string; readonly sharesJson: string } {
  const specs = specsOf(files);
  return { rulesJson: JSON.stringify(specs), sharesJson: JSON.stringify(specs.filter(isOverDevices)) };
}
