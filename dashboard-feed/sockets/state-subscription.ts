import { type Position, parseCursor, START, sequenceOf } from "../common/cursor.ts";
import type { Interest } from "./interest.ts";
import { gapFrame, itemsFrame, removedFrame, type Subscription, type SubscriptionBase } from "./outlet.ts";
import type { SharedFrames } from "./shared-frames.ts";

/** A subscription sends at most this many frames in a row before others have their turn. */
const FRAMES_PER_TURN = 8;
/** A cursor that moved without items is sent after this many ticks, so that the client's cursor stays recent. */
const CURSOR_TICKS = 600;

export interface StateSubscriptionOptions extends SubscriptionBase {
  readonly interest: Interest;
  readonly shared: SharedFrames;
  /** Flush once in this many ticks... */
  readonly everyTicks: number;
  /** ...with this offset, so that not all clients flush at once. */
  readonly phase: number;
  /** How many entries after a position the view never had; -1 when that is unknown. */
  readonly missedSince: (position: Position) => number;
  /** The channel has no past: a client that reconnects gets a snapshot. */
  readonly snapshotAlways: boolean;
}

type Phase = "starting" | "awaiting-log" | "snapshot" | "live" | "ended";

/** A subscription to a channel of states. It has only a position in the order of changes, and no queue. */
export class StateSubscription implements Subscription {
  readonly channel;
  readonly #options: StateSubscriptionOptions;
  #phase: Phase = "starting";
  #position: Position = START;
  /** The number of items that the view had dropped at the last comparison. */
  #losses = 0;
  /** How many items had left the view when the client was last sent those that left. */
  #removed = 0;
  /** The last frame was cut, so the rest is due before the next flush. */
  #more = false;
  #sentPosition: Position = START;
  #sentTick = 0;

  constructor(options: StateSubscriptionOptions) {
    this.#options = options;
    this.channel = options.channel;
  }

  pump(tick: number): number {
    const { interest, everyTicks, phase } = this.#options;
    const { view } = interest;
    if (this.#phase === "ended") return Number.POSITIVE_INFINITY;
    if (!view.loaded) return tick + 1;
    if (this.#phase === "starting") this.#start(tick);
    if (this.#phase === "awaiting-log") return tick + 1;
    const late = (tick + phase) % everyTicks;
    const due = this.#phase === "snapshot" || this.#more || late === 0;
    if (due && (this.#phase === "snapshot" || view.head > this.#position)) this.#sendDue(tick);
    return this.#more || this.#phase === "snapshot" ? tick + 1 : tick + everyTicks - late;
  }

  end(): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#options.shared.release(this.#options.interest);
  }

  #sendDue(tick: number): void {
    const { outlet, limits, events } = this.#options;
    if (outlet.unsentBytes > limits.buffered_size_coalesce) {
      if (this.#phase === "live") events.flushConflated();
      return;
    }
    for (let sent = 0; sent < FRAMES_PER_TURN; sent++) {
      if (this.#phase === "live") this.#sendLosses();
      if (this.#phase === "live") this.#sendRemovals();
      this.#flush(tick);
      if (!this.#more || outlet.unsentBytes > limits.buffered_size_coalesce) return;
    }
  }

  #start(tick: number): void {
    const { cursor, interest, snapshotAlways } = this.#options;
    const { view } = interest;
    if (cursor === undefined || snapshotAlways) {
      this.#beginSnapshot();
      return;
    }
    const position = parseCursor(this.#options, cursor);
    if (position === undefined) this.#startOver(-1);
    else if (position < view.began) this.#startOver(this.#options.missedSince(position));
    else if (position <= view.head) this.#resume(position, tick);
    else this.#awaitLog(position, tick);
  }

  #beginSnapshot(): void {
    const { view } = this.#options.interest;
    this.#phase = "snapshot";
    this.#position = START;
    this.#losses = view.losses;
    this.#removed = view.removals?.count ?? 0;
  }

  #startOver(missed: number): void {
    this.#sendGap(this.#options.interest.view.head, missed);
    this.#beginSnapshot();
  }

  #sendGap(position: Position, missed: number): void {
    const { outlet, events, channel } = this.#options;
    outlet.send(gapFrame(this.#options, { position, missed }));
    events.gapSent(channel, missed);
  }

  /** Sends a gap if the view dropped changes that match the filter before this client got them. */
  #sendLosses(): void {
    const { view, filter } = this.#options.interest;
    const losses = this.#losses;
    if (losses === view.losses) return;
    this.#losses = view.losses;
    if (this.#position >= view.floor) return;
    const missed = view.lostAfter({ position: this.#position, losses }, filter);
    if (missed !== 0) this.#sendGap(this.#position, missed);
  }

  /**
   * Names the items that left the view since. They come before newer items: one that left and came back is among both.
   * With the old cursor, as a client that resumes from it may get them twice.
   */
  #sendRemovals(): void {
    const { interest, outlet } = this.#options;
    const count = interest.view.removals?.count ?? 0;
    if (count === this.#removed) return;
    const pieces = interest.removedSince(this.#removed);
    this.#removed = count;
    if (pieces === undefined) this.#startOver(-1);
    else for (const text of pieces) outlet.send(removedFrame(this.#options, { position: this.#position, text }));
  }

  /** The cursor may come from another gateway that has read further in the log. */
  #awaitLog(position: Position, tick: number): void {
    this.#phase = "awaiting-log";
    const decide = (reached: boolean) => {
      if (this.#phase !== "awaiting-log") return;
      if (reached) this.#resume(position, tick);
      else this.#startOver(-1);
    };
    this.#options.logReached(sequenceOf(position)).then(decide, () => decide(false));
  }

  #resume(position: Position, tick: number): void {
    const { removals } = this.#options.interest.view;
    const removed = removals === undefined ? 0 : removals.countAt(position);
    if (removed === undefined) {
      this.#startOver(-1);
      return;
    }
    this.#removed = removed;
    this.#position = position;
    this.#phase = "live";
    this.#options.events.resumed(this.channel);
    // Missed changes are due at once. If there are none, the client learns that too.
    this.#more = true;
    if (position >= this.#options.interest.view.head) this.#sendCursor(tick);
  }

  #flush(tick: number): void {
    const { outlet, events, interest, id } = this.#options;
    const kind = this.#phase === "snapshot" ? "snapshot" : "update";
    const batch = interest.batch(this.#position, kind === "update" && !this.#more ? "live" : "snapshot");
    if (batch.count > 0 || kind === "snapshot") {
      outlet.sendFrame(interest.frame(kind, id, batch));
      events.itemsSent(this.channel, batch.count);
      this.#sentPosition = batch.position;
      this.#sentTick = tick;
    } else if (this.#more) {
      // The client resumed, and no change matches its filter.
      this.#position = batch.position;
      this.#sendCursor(tick);
    }
    this.#phase = "live";
    this.#position = batch.position;
    this.#more = batch.more;
    if (tick - this.#sentTick >= CURSOR_TICKS && this.#position > this.#sentPosition) this.#sendCursor(tick);
  }

  #sendCursor(tick: number): void {
    this.#options.outlet.send(itemsFrame("update", this.#options, { position: this.#position, text: "" }));
    this.#sentPosition = this.#position;
    this.#sentTick = tick;
  }
}
