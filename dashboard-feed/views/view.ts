import type { Position } from "../cursor.ts";
import type { CompiledFilter } from "../filter.ts";
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
  /** Who has not seen the log up to here may have missed what is no longer (or never was) in the view. */
  readonly floor: Position;
  /** Whether the view has caught up with what the log held at start. */
  readonly loaded: boolean;
  readonly order: ChangeOrder;
  /** The item as JSON. */
  textOf(slot: number): string;
  /** Keeps its answers: ask once for each filter. */
  matcher(filter: CompiledFilter): Matches;
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

/** What changed after a position, oldest change first, cut where the log position allows it. */
export function collect(view: StateView, matches: Matches, options: { after: Position; bytesMax: number }): Batch {
  const { order } = view;
  const texts: string[] = [];
  let bytes = 0;
  let position = options.after;
  for (let slot = order.firstAfter(options.after); slot >= 0; slot = order.next(slot)) {
    const at = order.positionOf(slot);
    if (bytes > options.bytesMax && at > position) {
      return { items: texts.join(","), count: texts.length, position, more: true };
    }
    position = at;
    if (!matches(slot)) continue;
    const text = view.textOf(slot);
    texts.push(text);
    bytes += text.length + 1;
  }
  return { items: texts.join(","), count: texts.length, position: Math.max(view.head, options.after), more: false };
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
