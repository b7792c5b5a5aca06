import type { AlertChange } from "../../domain/alert.ts";
import type { WorstValue } from "../rules/worst-value.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";

const TITLE_LENGTH_MAX = 500;

/** What each change of an incident says about all of it. */
export type IncidentFacts = Pick<AlertChange, "worst" | "title" | "firedAtUs">;

interface OpenIncident {
  /** NaN: none so far. */
  worst: number;
  /** NaN: pending, or it fired before incidents were kept. */
  firedAtUs: number;
  /** Undefined as long as the alert has not fired. */
  title: string | undefined;
}

/** The incidents of a rule that are open, by key (docs/windows.md, "Incidents"). */
export class OpenIncidents {
  readonly #byKey = new Map<number, OpenIncident>();

  /** Call for each evaluated value of an alert that is active, or becomes active with it. */
  see(key: number, value: number | string, worst: WorstValue | undefined): void {
    const incident = this.#at(key);
    if (worst === undefined || typeof value === "string") return;
    if (Number.isNaN(incident.worst) || worst.isWorse(value, incident.worst)) incident.worst = value;
  }

  /** The facts for a change of the alert. An end forgets the incident. */
  factsAt(key: number, { from, state, atUs, title }: ChangeTexts): IncidentFacts {
    const incident = this.#at(key);
    if (state === "firing" && from !== "firing") {
      incident.firedAtUs = atUs;
      incident.title = cut(title);
    }
    if (state === "resolved" || state === "inactive") this.#byKey.delete(key);
    const { worst, firedAtUs } = incident;
    const hasFired = from === "firing" || state === "firing";
    // Of an incident that an older version began, the summary at its start is unknown.
    const known = incident.title ?? (hasFired ? undefined : cut(title));
    return {
      ...(Number.isNaN(worst) ? {} : { worst }),
      ...(known === undefined ? {} : { title: known }),
      ...(Number.isNaN(firedAtUs) ? {} : { firedAtUs }),
    };
  }

  /** The key's number can be used again. */
  forget(key: number): void {
    this.#byKey.delete(key);
  }

  /** Call when values are no longer comparable with those before. */
  forgetWorst(): void {
    for (const incident of this.#byKey.values()) incident.worst = Number.NaN;
  }

  adopt(
    key: number,
    from: OpenIncidents,
    { fromKey, keepsWorst }: { readonly fromKey: number; readonly keepsWorst: boolean },
  ): void {
    const incident = from.#byKey.get(fromKey);
    if (incident === undefined) return;
    this.#byKey.set(key, { ...incident, worst: keepsWorst ? incident.worst : Number.NaN });
  }

  snapshot(to: SnapshotWriter): void {
    to.number(this.#byKey.size);
    for (const [key, { worst, firedAtUs, title }] of this.#byKey) {
      to.number(key);
      to.number(worst);
      to.number(firedAtUs);
      to.number(title === undefined ? 0 : 1);
      if (title !== undefined) to.text(title);
    }
  }

  restore(from: SnapshotReader): void {
    for (let left = from.number(); left > 0; left--) {
      const key = from.number();
      const worst = from.number();
      const firedAtUs = from.number();
      const title = from.number() === 1 ? from.text() : undefined;
      this.#byKey.set(key, { worst, firedAtUs, title });
    }
  }

  #at(key: number): OpenIncident {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const incident = { worst: Number.NaN, firedAtUs: Number.NaN, title: undefined };
    this.#byKey.set(key, incident);
    return incident;
  }
}

/** By characters, so that none is cut in half. */
function cut(title: string): string {
  return title.length <= TITLE_LENGTH_MAX ? title : Array.from(title).slice(0, TITLE_LENGTH_MAX).join("");
}

type ChangeTexts = Pick<AlertChange, "from" | "state" | "atUs"> & {
  /** The title if the incident has none yet. */
  readonly title: string;
};
