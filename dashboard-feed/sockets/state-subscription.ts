import { type Position, parseCursor, START, sequenceOf } from "../common/cursor.ts";
import type { Interest } from "./interest.ts";
import { gapFrame, itemsFrame, type Subscription, type SubscriptionBase } from "./outlet.ts";
import type { SharedFrames } from "./shared-frames.ts";

/** One subscription may send so many frames in a row; then it is the others' turn. */
const FRAMES_PER_TURN = 8;
/** A cursor that moved without any item is told after so many ticks, so that it does not grow old. */
const CURSOR_TICKS = 600;

export interface StateSubscriptionOptions extends SubscriptionBase {
  readonly interest: Interest;
  readonly shared: SharedFrames;
  /** Flush at every so manieth tick... */
  readonly everyTicks: number;
  /** ...this many ticks later than others: not all clients at once. */
  readonly phase: number;
  /** How many entries were never in the view since a position; -1 when that is not known. */
  readonly missedSince: (position: Position) => number;
  /** The channel has no past: whoever comes back is given a snapshot. */
  readonly snapshotAlways: boolean;
}

type Phase = "starting" | "asking" | "snapshot" | "live" | "ended";

/** Windows, readings, devices, stats: a position in the order of changes, and no queue. */
export class StateSubscription implements Subscription {
  readonly channel;
  readonly #options: StateSubscriptionOptions;
  #phase: Phase = "starting";
  #position: Position = START;
  /** What the view had let go when it was last asked about it. */
  #losses = 0;
  /** The last frame was cut: the rest is due without waiting for the next flush. */
  #more = false;
  #toldPosition: Position = START;
  #toldTick = 0;

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
    if (this.#phase === "asking") return tick + 1;
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
      if (this.#phase === "live") this.#tellLosses();
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
    if (position === undefined) this.#beginAnew(-1);
    else if (position < view.began) this.#beginAnew(this.#options.missedSince(position));
    else if (position <= view.head) this.#resume(position, tick);
    else this.#askAbout(position, tick);
  }

  #beginSnapshot(): void {
    this.#phase = "snapshot";
    this.#losses = this.#options.interest.view.losses;
  }

  #beginAnew(missed: number): void {
    this.#tellGap(this.#options.interest.view.head, missed);
    this.#beginSnapshot();
  }

  #tellGap(position: Position, missed: number): void {
    const { outlet, events, channel } = this.#options;
    outlet.send(gapFrame(this.#options, { position, missed }));
    events.gapSent(channel, missed);
  }

  /** What the view let go before this client had it: only what the client has not asked to leave out. */
  #tellLosses(): void {
    const { view, filter } = this.#options.interest;
    const losses = this.#losses;
    if (losses === view.losses) return;
    this.#losses = view.losses;
    if (this.#position >= view.floor) return;
    const missed = view.lostAfter({ position: this.#position, losses }, filter);
    if (missed !== 0) this.#tellGap(this.#position, missed);
  }

  /** Another gateway, that is further in the log than this one, may have given the cursor. */
  #askAbout(position: Position, tick: number): void {
    this.#phase = "asking";
    const decide = (reached: boolean) => {
      if (this.#phase !== "asking") return;
      if (reached) this.#resume(position, tick);
      else this.#beginAnew(-1);
    };
    this.#options.logReached(sequenceOf(position)).then(decide, () => decide(false));
  }

  #resume(position: Position, tick: number): void {
    this.#position = position;
    this.#phase = "live";
    this.#options.events.resumed(this.channel);
    // What was missed is due at once, and if it is nothing the client learns that too.
    this.#more = true;
    if (position >= this.#options.interest.view.head) this.#tell(tick);
  }

  #flush(tick: number): void {
    const { outlet, events, interest, id } = this.#options;
    const kind = this.#phase === "snapshot" ? "snapshot" : "update";
    const batch = interest.batch(this.#position, kind === "update" && !this.#more ? "live" : "snapshot");
    if (batch.count > 0 || kind === "snapshot") {
      outlet.sendFrame(interest.frame(kind, id, batch));
      events.itemsSent(this.channel, batch.count);
      this.#toldPosition = batch.position;
      this.#toldTick = tick;
    } else if (this.#more) {
      // It came back, and nothing of what happened was for it.
      this.#position = batch.position;
      this.#tell(tick);
    }
    this.#phase = "live";
    this.#position = batch.position;
    this.#more = batch.more;
    if (tick - this.#toldTick >= CURSOR_TICKS && this.#position > this.#toldPosition) this.#tell(tick);
  }

  #tell(tick: number): void {
    this.#options.outlet.send(itemsFrame("update", this.#options, { position: this.#position, text: "" }));
    this.#toldPosition = this.#position;
    this.#toldTick = tick;
  }
}
