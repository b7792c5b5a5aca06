import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import { US_PER_DAY, US_PER_MINUTE } from "../../domain/time.ts";
import { Step } from "../step.ts";
import { encodeEntry, reading, rule, type TestEntry } from "./step-kit.ts";

export const DAYS = 100;
/** The days at whose end the state is measured: the first one forgets already. */
const MEASURED_DAYS: readonly number[] = [34, 67, DAYS];
const READINGS_PER_ENTRY = 1_000;
const specs = [
  rule({ id: "hot", window: { tumbling: "1m" }, aggregate: ["max", "last"], when: "> 8" }),
  rule({ id: "silent", absent: "1h" }),
];

/** A step for 100 days, each with new devices that send once and are never heard again. */
export class ChangingDevices {
  readonly table = new SeriesTable({ keepsSeries: false });
  readonly step = new Step(this.table, { onSeriesForgotten: (id) => this.table.release(id) });
  readonly #frames = new FrameReader(this.table);
  #sequence = 0;
  #open = 0;

  get openAlerts(): number {
    return this.#open;
  }

  play(devicesPerDay: number, onMeasured: (day: number, stateBytes: number) => void): void {
    this.#apply({ kind: "rules", storedAtUs: US_PER_DAY, specs });
    for (let day = 1; day <= DAYS; day++) {
      const storedAtUs = day * US_PER_DAY;
      for (let from = 0; from < devicesPerDay; from += READINGS_PER_ENTRY) {
        const length = Math.min(READINGS_PER_ENTRY, devicesPerDay - from);
        const readings = Array.from({ length }, (_, i) => reading(`device-${day}-${from + i}`, storedAtUs, i % 10));
        this.#apply({ kind: "readings", storedAtUs, readings });
      }
      // Watched, so that absences are noticed.
      for (let minute = 1; minute <= 125; minute++)
        this.#apply({ kind: "tick", storedAtUs: storedAtUs + (minute * US_PER_MINUTE) / 2 });
      if (MEASURED_DAYS.includes(day)) onMeasured(day, bytesOf(this.step));
    }
  }

  #apply(entry: TestEntry): void {
    const position = { task: 0, sequence: ++this.#sequence, storedAtUs: entry.storedAtUs };
    const { alerts } = this.step.apply(this.#frames.read(encodeEntry(entry)), position);
    for (const { state } of alerts) this.#open += state === "firing" ? 1 : state === "resolved" ? -1 : 0;
  }
}

function bytesOf(step: Step): number {
  let bytes = 0;
  for (const part of step.snapshot()) {
    if (part?.kind === "doubles") bytes += part.doubles.byteLength;
    else if (part?.kind === "bytes") bytes += part.bytes.byteLength;
    else if (part?.kind === "texts") bytes += part.json.length;
    else if (part?.kind === "values") bytes += JSON.stringify(part.values).length;
  }
  return bytes;
}
