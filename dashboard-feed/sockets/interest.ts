import type { ChannelOf } from "../../contracts/feed/channels.ts";
import type { Position } from "../common/cursor.ts";
import type { CompiledFilter } from "../common/filter.ts";
import { labelOf } from "../views/readings-view.ts";
import { type Batch, collect, type Matches, type StateView } from "../views/view.ts";
import { itemsFrameEnd, itemsFrameStart } from "./outlet.ts";
import { frameHead, textFrame } from "./web-socket-frame.ts";

const FRAME_BYTES = 262_144;
/** Larger items are not copied into the frame of each id. They are written after the frame's beginning. */
const COPIED_BYTES_MAX = 2_048;

export type StateChannel = ChannelOf<"state">;

interface SharedBatch extends Batch {
  readonly head: Position;
  /** The items and the frame's end as bytes, encoded when a frame first needs them separately. */
  body: Buffer | undefined;
  /** Ready frames by the subscription's id. */
  readonly frames: Map<string, readonly Buffer[]>;
}

export interface InterestOptions {
  readonly key: string;
  readonly channel: StateChannel;
  readonly view: StateView;
  readonly filter: CompiledFilter;
  readonly logId: () => string;
  /** The matching slots that changed after a position, if the changes are distributed; otherwise undefined. */
  readonly changedAfter: (after: Position, interest: Interest) => readonly number[] | undefined;
  /** The interest has a batch again, which the next tick must clear. */
  readonly onUsed: (interest: Interest) => void;
}

/** What all subscriptions to one channel with the same filter share. */
export class Interest {
  readonly channel: StateChannel;
  readonly view: StateView;
  readonly filter: CompiledFilter;
  readonly matches: Matches;
  readonly key: string;
  /** The number of subscriptions that use it. */
  users = 0;
  readonly #options: InterestOptions;
  readonly #batches = new Map<Position, SharedBatch>();
  /** The last answer of `removedSince`: most clients ask the same. */
  #removed: { readonly since: number; readonly until: number; readonly pieces: readonly string[] } | undefined;

  constructor(options: InterestOptions) {
    this.key = options.key;
    this.channel = options.channel;
    this.view = options.view;
    this.filter = options.filter;
    this.matches = options.view.matcher(options.filter);
    this.#options = options;
  }

  /**
   * The changes after a position. Clients flush at the same ticks, so after their first flush they are at equal
   * positions, and one batch serves them all.
   */
  batch(after: Position, phase: "snapshot" | "live"): SharedBatch {
    const { view } = this;
    let batch = this.#batches.get(after);
    if (batch !== undefined && batch.head === view.head) return batch;
    const changed = phase === "live" ? this.#options.changedAfter(after, this) : undefined;
    const options = { after, bytesMax: FRAME_BYTES, ...(changed === undefined ? {} : { changed }) };
    const collected = collect(view, this.matches, options);
    batch = { ...collected, head: view.head, body: undefined, frames: new Map() };
    if (this.#batches.size === 0) this.#options.onUsed(this);
    this.#batches.set(after, batch);
    return batch;
  }

  /** The bytes of a frame for a subscription with this id, encoded once for all clients with the same id. */
  frame(kind: "snapshot" | "update", id: string, batch: SharedBatch): readonly Buffer[] {
    const key = kind === "update" ? id : `${id} ${kind}`;
    let frame = batch.frames.get(key);
    if (frame === undefined) {
      const start = itemsFrameStart(kind, { id, channel: this.channel, logId: this.#options.logId }, batch.position);
      if (batch.items.length <= COPIED_BYTES_MAX) {
        frame = [textFrame(start + batch.items + itemsFrameEnd)];
      } else {
        batch.body ??= Buffer.from(batch.items + itemsFrameEnd);
        frame = [
          Buffer.concat([frameHead(Buffer.byteLength(start) + batch.body.length), Buffer.from(start)]),
          batch.body,
        ];
      }
      batch.frames.set(key, frame);
    }
    return frame;
  }

  /**
   * The matching items that left the view after the first `count`, as JSON joined by commas, in pieces for a frame each;
   * undefined if the view no longer knows.
   */
  removedSince(count: number): readonly string[] | undefined {
    const { removals } = this.view;
    if (removals === undefined) return [];
    if (this.#removed?.since === count && this.#removed.until === removals.count) return this.#removed.pieces;
    const removed = removals.since(count);
    if (removed === undefined) return undefined;
    const matching = removed.filter(({ series }) => series.some((each) => this.filter.matches(labelOf(each))));
    const pieces = inPieces(matching.map(({ text }) => text));
    this.#removed = { since: count, until: removals.count, pieces };
    return pieces;
  }

  clear(): void {
    this.#batches.clear();
  }
}

function inPieces(texts: readonly string[]): string[] {
  const pieces: string[] = [];
  let piece: string[] = [];
  let length = 0;
  for (const text of texts) {
    piece.push(text);
    length += text.length;
    if (length < FRAME_BYTES) continue;
    pieces.push(piece.join(","));
    piece = [];
    length = 0;
  }
  if (piece.length > 0) pieces.push(piece.join(","));
  return pieces;
}
