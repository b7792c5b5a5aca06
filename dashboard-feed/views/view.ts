import type { Position } from "../common/cursor.ts";
import type { CompiledFilter } from "../common/filter.ts";
import type { ChangeOrder } from "./change-order.ts";

export type Matches = (slot: number) => boolean;

/**
 * The newest state of many items, each in a slot, in the order of their last change. A client is then no more than a
 * position: what it has not seen is what changed after it, each item once, in its newest version. Snapshot, update
 * and resumption are the same question, and no client has a queue.
 */
export interface StateView {
  /** All of the log up to here is in the view. */
  readonly head: Position;
  /** What the log held up to here was never in the view, except by chance. */
  readonly began: Position;
  /** Who has not seen the log up to here may have missed what is no longer in the view. */
  readonly floor: Position;
  /** Whether the view has caught up with what the log held at start. */
  readonly loaded: boolean;
  readonly order: ChangeOrder;
  /** The item as JSON. */
  textOf(slot: number): string;
  /** Keeps its answers: ask once for each filter. */
  matcher(filter: CompiledFilter): Matches;
  /**
   * What a slot's answers to all filters hang on: slots of one group have the same, for ever. Undefined where answers
   * change.
   */
  readonly groupOf?: (slot: number) => number;
  /** How many changes the view has let go so far. */
  readonly losses: number;
  /**
   * How many matching changes after a position (at or after `began`) the view let go since it had let go so many; -1
   * when that is not known any more.
   */
  lostAfter(since: { readonly position: Position; readonly losses: number }, filter: CompiledFilter): number;
}

/** Items to send, already JSON and joined by commas. */
export interface Batch {
  readonly items: string;
  readonly count: number;
  /** Who has these items has seen everything up to here. */
  readonly position: Position;
  /** There is more than fits in one frame. */
  readonly more: boolean;
}

export interface CollectOptions {
  readonly after: Position;
  readonly bytesMax: number;
  /** The matching slots that changed after the position, where they were listed already. */
  readonly changed?: readonly number[];
}

/** What changed after a position, oldest change first, cut where the log position allows it. */
export function collect(view: StateView, matches: Matches, options: CollectOptions): Batch {
  const { order } = view;
  const { after, bytesMax, changed } = options;
  const texts: string[] = [];
  let bytes = 0;
  let position = after;
  let i = 0;
  let slot = changed === undefined ? order.firstAfter(after) : (changed[0] ?? -1);
  while (slot >= 0) {
    if (bytes > bytesMax) {
      const at = order.positionOf(slot);
      if (at > position) return { items: texts.join(","), count: texts.length, position, more: true };
    }
    if (changed !== undefined || matches(slot)) {
      const text = view.textOf(slot);
      texts.push(text);
      bytes += text.length + 1;
      position = order.positionOf(slot);
    }
    slot = changed === undefined ? order.next(slot) : (changed[++i] ?? -1);
  }
  return { items: texts.join(","), count: texts.length, position: Math.max(view.head, after), more: false };
}

/** A matcher that asks once for each slot and remembers. For slots whose labels never change. */
export function remembering(matches: Matches): Matches {
  let answers = new Uint8Array(256);
  return (slot) => {
    if (slot >= answers.length) {
      const more = new Uint8Array(Math.max(answers.length * 2, slot + 1));
      more.set(answers);
      answers = more;
    }
    const known = answers[slot];
    if (known !== 0) return known === 1;
    const answer = matches(slot);
    answers[slot] = answer ? 1 : 2;
    return answer;
  };
}
