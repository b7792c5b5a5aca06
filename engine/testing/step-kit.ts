import type { AlertChange } from "../../domain/alert.ts";
import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import { encodeGone, encodeRuleSet, encodeTick, FrameWriter } from "../../domain/frame-writer.ts";
import { type Device, kindOf, type Reading, type ReadingValue } from "../../domain/reading.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { versionOf } from "../../rule-language/files/load-rules.ts";
import { type RuleSpec, ruleSpecSchema } from "../../rule-language/spec/rule-spec.ts";
import { Step, type StepOptions, type StepOutput } from "../step.ts";

interface TestReading extends Reading {
  /** In the groups log: by how much it was observed after the readings log stored it. */
  readonly aheadUs?: number;
}

/** A log entry of a test. */
export type TestEntry =
  | { readonly kind: "readings"; readonly storedAtUs: number; readonly readings: readonly TestReading[] }
  | { readonly kind: "tick"; readonly storedAtUs: number }
  | { readonly kind: "gone"; readonly storedAtUs: number; readonly devices: readonly Device[] }
  | { readonly kind: "rules"; readonly storedAtUs: number; readonly specs: readonly RuleSpec[] };

/** A rule from the fields of a rule file. */
export function rule(fields: Readonly<Record<string, unknown>>): RuleSpec {
  return ruleSpecSchema.parse(fields);
}

export function reading(device: string, atUs: number, value: ReadingValue, metric = "m"): Reading {
  return { device, metric, tags: { site: "s" }, atUs, value };
}

export function encodeEntry(entry: TestEntry): Uint8Array {
  if (entry.kind === "tick") return encodeTick();
  if (entry.kind === "gone") return encodeGone(entry.devices);
  if (entry.kind === "rules") {
    return encodeRuleSet({ version: versionOf(entry.specs), rulesJson: JSON.stringify(entry.specs) });
  }
  const writer = new FrameWriter();
  for (const { device, metric, tags, atUs, value, aheadUs } of entry.readings) {
    writer.add({ device, metric, tags, kind: kindOf(value) }, atUs, value);
    if (aheadUs !== undefined) writer.noteAhead(aheadUs);
  }
  return writer.finish(entry.storedAtUs);
}

/** A step with its log, for tests. */
export class TestPartition {
  readonly #frames: FrameReader;
  readonly step: Step;
  #sequence: number;

  constructor(sequence = 0, options: StepOptions = {}) {
    const table = new SeriesTable();
    this.#frames = new FrameReader(table);
    this.step = new Step(table, options);
    this.#sequence = sequence;
  }

  get sequence(): number {
    return this.#sequence;
  }

  apply(entry: TestEntry): StepOutput {
    const position = { task: 0, sequence: ++this.#sequence, storedAtUs: entry.storedAtUs };
    return this.step.apply(this.#frames.read(encodeEntry(entry)), position);
  }

  /** Applies an entry that says which devices are gone. */
  applyGone(devices: readonly Device[], storedAtUs: number): StepOutput {
    const position = { task: 0, sequence: ++this.#sequence, storedAtUs };
    return this.step.apply(this.#frames.read(encodeGone(devices)), position);
  }

  applyAll(entries: readonly TestEntry[]): { windows: WindowResult[]; alerts: AlertChange[] } {
    const all: { windows: WindowResult[]; alerts: AlertChange[] } = { windows: [], alerts: [] };
    for (const entry of entries) {
      const { windows, alerts } = this.apply(entry);
      all.windows.push(...windows);
      all.alerts.push(...alerts);
    }
    return all;
  }
}
