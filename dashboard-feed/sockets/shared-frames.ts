import type { Channel } from "../../contracts/feed/protocol.ts";
import type { Position } from "../common/cursor.ts";
import type { CompiledFilter } from "../common/filter.ts";
import { type Batch, collect, type Matches, type StateView } from "../views/view.ts";
import { itemsFrameEnd, itemsFrameStart } from "./outlet.ts";
import { Routes } from "./routes.ts";
import { frameHead, textFrame } from "./web-socket-frame.ts";

const FRAME_BYTES = 262_144;
/** Larger items are not copied into the frame of each id, but written behind its beginning. */
const COPIED_BYTES_MAX = 2_048;
/** Filters that nobody uses are kept in case someone comes back: to build one costs a look at every item. */
const UNUSED_MAX = 200;

type StateChannel = Exclude<Channel, "alerts">;

interface SharedBatch extends Batch {
  readonly head: Position;
  /** The items and the frame's end as bytes, once someone needs them by themselves. */
  body: Buffer | undefined;
  /** Ready frames by the subscription's id. */
  readonly frames: Map<string, readonly Buffer[]>;
}

/** What all subscriptions of one channel with one filter share. */
export class Interest {
  readonly channel: StateChannel;
  readonly view: StateView;
  readonly filter: CompiledFilter;
  readonly matches: Matches;
  readonly key: string;
  /** Subscriptions that use it. */
  users = 0;
  readonly #shared: SharedFrames;
  readonly #batches = new Map<Position, SharedBatch>();

  constructor(options: {
    readonly key: string;
    readonly channel: StateChannel;
    readonly view: StateView;
    readonly filter: CompiledFilter;
    readonly shared: SharedFrames;
  }) {
    this.key = options.key;
    this.channel = options.channel;
    this.view = options.view;
    this.filter = options.filter;
    this.#shared = options.shared;
    this.matches = options.view.matcher(options.filter);
  }

  /**
   * What changed after a position. Clients are at equal positions after their first flush, since they flush at the
   * same ticks: what is collected for one of them serves the others.
   */
  batch(after: Position, phase: "snapshot" | "live"): SharedBatch {
    const { view } = this;
    let batch = this.#batches.get(after);
    if (batch !== undefined && batch.head === view.head) return batch;
    const changed = phase === "live" ? this.#shared.changedAfter(after, this) : undefined;
    const options = { after, bytesMax: FRAME_BYTES, ...(changed === undefined ? {} : { changed }) };
    const collected = collect(view, this.matches, options);
    batch = { ...collected, head: view.head, body: undefined, frames: new Map() };
    if (this.#batches.size === 0) this.#shared.used(this);
    this.#batches.set(after, batch);
    return batch;
  }

  /** The bytes of a frame for a subscription with this id: encoded once for all who chose the same. */
  frame(kind: "snapshot" | "update", id: string, batch: SharedBatch): readonly Buffer[] {
    const key = kind === "update" ? id : `${id} ${kind}`;
    let frame = batch.frames.get(key);
    if (frame === undefined) {
      const start = itemsFrameStart(kind, { id, channel: this.channel, logId: this.#shared.logId }, batch.position);
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

  clear(): void {
    this.#batches.clear();
  }
}

/** What subscriptions have in common: filters and their answers; and within a tick, changes and frames. */
export class SharedFrames {
  readonly logId: () => string;
  readonly #interests = new Map<string, Interest>();
  readonly #unused = new Set<Interest>();
  readonly #used: Interest[] = [];
  readonly #routes = new Map<StateView, Routes>();
  readonly #alertFrames = new Map<string, Buffer>();

  constructor(logId: () => string) {
    this.logId = logId;
  }

  /** To be given back with `release`. */
  interest(channel: StateChannel, view: StateView, filter: CompiledFilter): Interest {
    // What is restricted may see less of a device than the same filter without a restriction.
    const key = `${channel} ${filter.restricted ? "some" : "all"} ${filter.key}`;
    let interest = this.#interests.get(key);
    if (interest === undefined) {
      interest = new Interest({ key, channel, view, filter, shared: this });
      this.#interests.set(key, interest);
      this.#routesOf(view)?.add(interest);
    }
    interest.users++;
    this.#unused.delete(interest);
    return interest;
  }

  release(interest: Interest): void {
    interest.users--;
    if (interest.users > 0) return;
    this.#unused.add(interest);
    if (this.#unused.size <= UNUSED_MAX) return;
    // Half of them at once: the routes begin afresh each time.
    for (const old of [...this.#unused].slice(0, UNUSED_MAX / 2)) {
      this.#unused.delete(old);
      this.#interests.delete(old.key);
      this.#routesOf(old.view)?.remove(old);
    }
  }

  /** The slots that an interest lets through of those that changed after a position; undefined where none are listed. */
  changedAfter(after: Position, interest: Interest): readonly number[] | undefined {
    return this.#routesOf(interest.view)?.changedAfter(after, interest);
  }

  #routesOf(view: StateView): Routes | undefined {
    if (view.groupOf === undefined) return undefined;
    let routes = this.#routes.get(view);
    if (routes === undefined) {
      routes = new Routes(view, view.groupOf);
      this.#routes.set(view, routes);
    }
    return routes;
  }

  /** The bytes of a frame of alerts: the same for all with one filter, position and id. */
  alertFrame(key: string, text: () => string): Buffer {
    let frame = this.#alertFrames.get(key);
    if (frame === undefined) {
      frame = textFrame(text());
      this.#alertFrames.set(key, frame);
    }
    return frame;
  }

  used(interest: Interest): void {
    this.#used.push(interest);
  }

  /** At every tick: what was shared is not kept. */
  clear(): void {
    for (const interest of this.#used.splice(0)) interest.clear();
    for (const routes of this.#routes.values()) routes.clear();
    this.#alertFrames.clear();
  }
}
