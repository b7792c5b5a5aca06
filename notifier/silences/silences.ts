import type { Silence, SilencesQuery } from "../../contracts/notifications.ts";
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

  /** Earliest first, and by id within an instant. Drops expired silences. */
  list(nowUs: number, { after, limit }: SilencesQuery = {}): Silence[] {
    for (const { id, untilUs } of this.#byId.values()) if (untilUs <= nowUs) this.#byId.delete(id);
    const all = [...this.#byId.values()].sort(inOrder);
    return all.filter((each) => after === undefined || inOrder(each, after) > 0).slice(0, limit);
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

type Begins = Pick<Silence, "fromUs" | "id">;

function inOrder(a: Begins, b: Begins): number {
  if (a.fromUs !== b.fromUs) return a.fromUs - b.fromUs;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
