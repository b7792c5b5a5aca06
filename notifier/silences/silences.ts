import type { Silence } from "../../contracts/notifications.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { matches } from "../common/matchers.ts";

/** A silence as the log stores it. A removed one remains until the log's retention drops it. */
export interface LoggedSilence extends Silence {
  readonly removedAtUs?: number;
  readonly removedBy?: string;
}

/** The silences that are active or scheduled. */
export class Silences {
  readonly #byId = new Map<string, Silence>();

  apply(silence: LoggedSilence, nowUs: number): void {
    if (silence.removedAtUs !== undefined || silence.untilUs <= nowUs) this.#byId.delete(silence.id);
    else this.#byId.set(silence.id, silence);
  }

  /** Earliest first. Drops expired silences. */
  list(nowUs: number): Silence[] {
    for (const { id, untilUs } of this.#byId.values()) if (untilUs <= nowUs) this.#byId.delete(id);
    return [...this.#byId.values()].sort((a, b) => a.fromUs - b.fromUs);
  }

  get(id: string, nowUs: number): Silence | undefined {
    return this.list(nowUs).find((each) => each.id === id);
  }

  /** Ids of the silences that match a change now. */
  matching(change: AlertChange, nowUs: number): string[] {
    const ids: string[] = [];
    for (const { id, fromUs, untilUs, matchers } of this.#byId.values()) {
      if (nowUs >= fromUs && nowUs < untilUs && matches(matchers, change)) ids.push(id);
    }
    return ids;
  }
}
