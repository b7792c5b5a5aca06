import type { Position } from "../common/cursor.ts";
import type { CompiledFilter } from "../common/filter.ts";
import type { ChangeOrder } from "./change-order.ts";
import type { Removals } from "./removals.ts";

export type Matches = (slot: number) => boolean;

/**
 * The newest version of many items, each in a slot, in the order of their last change. A client is only a position.
 * Everything that changed after it is new to the client: each item once, in its newest version. So `collect` serves
 * snapshots, updates and resumptions with the same query, and no client has a queue.
 */
export interface StateView {
  /** The view has applied the log up to this position. */
  readonly head: Position;
  /** The view began at this position. It had earlier changes only by chance. */
  readonly began: Position;
  /** A client that has not seen the log up to this position may have missed changes that the view dropped. */
  readonly floor: Position;
  /** Whether the view has applied what the log held at the start. */
  readonly loaded: boolean;
  readonly order: ChangeOrder;
  /** The item as JSON. */
  textOf(slot: number): string;
  /** The matcher remembers its results, so each filter needs its own. */
  matcher(filter: CompiledFilter): Matches;
  /**
   * The group of a slot. All slots of a group always match the same filters. Undefined where a slot's matches can
   * change.
   */
  readonly groupOf?: (slot: number) => number;
  /** The items that left the view, whose slots or groups have other items later; undefined if none ever leaves. */
  readonly removals?: Removals;
  /** How many changes the view has dropped so far. */
  readonly losses: number;
  /**
   * How many matching changes after a position (at or after `began`) the view dropped since it had dropped
   * `since.losses`; -1 if the view no longer knows.
   */
  lostAfter(since: { readonly position: Position; readonly losses: number }, filter: CompiledFilter): number;
}

/** Items to send, as JSON joined by commas. */
export interface Batch {
  readonly items: string;
  readonly count: number;
  /** A client with these items has seen everything up to this position. */
  readonly position: Position;
  /** One frame could not hold everything. */
  readonly more: boolean;
}

export interface CollectOptions {
  readonly after: Position;
  readonly bytesMax: number;
  /** The matching slots that changed after the position, if they are already listed. */
  readonly changed?: readonly number[];
}

/** The changes after a position, oldest first; cut only between two log positions. */
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

/**
 * A matcher for slots whose labels never change: it evaluates each slot once and remembers the result, until the item of
 * the slot leaves the view.
 */
export function remembering(matches: Matches, removals?: Removals): Matches {
  let answers = new Uint8Array(256);
  let removed = removals?.count ?? 0;
  return (slot) => {
    if (removals !== undefined && removals.count !== removed) {
      const left = removals.since(removed);
      if (left === undefined) answers.fill(0);
      else for (const each of left) if (each.slot < answers.length) answers[each.slot] = 0;
      removed = removals.count;
    }
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
