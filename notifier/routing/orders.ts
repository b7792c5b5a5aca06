import type { Acknowledgement, Silence } from "../../contracts/notifications.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { matches } from "./matchers.ts";

/** A silence as it stands in the log; removed ones stay there until the log forgets them. */
export interface SilenceEntry extends Silence {
  readonly removedAtUs?: number;
  readonly removedBy?: string;
}

/** An acknowledgement as it stands in the log: the newest of its alert. */
export interface AcknowledgementEntry extends Acknowledgement {
  readonly alert: string;
}

/** What people have ordered: silences and acknowledgements. */
export class Orders {
  readonly #silences = new Map<string, Silence>();
  readonly #acknowledgements = new Map<string, AcknowledgementEntry>();

  applySilence(entry: SilenceEntry, nowUs: number): void {
    if (entry.removedAtUs !== undefined || entry.untilUs <= nowUs) this.#silences.delete(entry.id);
    else this.#silences.set(entry.id, entry);
  }

  applyAcknowledgement(entry: AcknowledgementEntry): void {
    this.#acknowledgements.set(entry.alert, entry);
  }

  /** An alert that is over needs no acknowledgement. */
  forgetAcknowledgement(alert: string): void {
    this.#acknowledgements.delete(alert);
  }

  /** Silences that last or are still to begin; expired ones are forgotten. */
  silences(nowUs: number): Silence[] {
    for (const { id, untilUs } of this.#silences.values()) if (untilUs <= nowUs) this.#silences.delete(id);
    return [...this.#silences.values()].sort((a, b) => a.fromUs - b.fromUs);
  }

  silence(id: string, nowUs: number): Silence | undefined {
    return this.silences(nowUs).find((each) => each.id === id);
  }

  /** Ids of the silences that hold a change now. */
  silencedBy(change: AlertChange, nowUs: number): string[] {
    const ids: string[] = [];
    for (const { id, fromUs, untilUs, matchers } of this.#silences.values()) {
      if (nowUs >= fromUs && nowUs < untilUs && matches(matchers, change)) ids.push(id);
    }
    return ids;
  }

  acknowledgement(alert: string, incident: string): Acknowledgement | undefined {
    const entry = this.#acknowledgements.get(alert);
    if (entry?.incident !== incident) return undefined;
    const { alert: _, ...acknowledgement } = entry;
    return acknowledgement;
  }
}
