import { type Position, parseCursor, START, sequenceOf } from "../cursor.ts";
import type { Matches, StateView } from "../views/view.ts";
import { gapFrame, itemsFrame, type Subscription, type SubscriptionBase } from "./outlet.ts";
import type { FrameRequest, SharedFrames } from "./shared-frames.ts";

const FRAME_BYTES = 262_144;
/** One subscription may send so many frames in a row; then it is the others' turn. */
const FRAMES_PER_TURN = 8;
/** A cursor that moved without any item is told after so many ticks, so that it does not grow old. */
const CURSOR_TICKS = 600;

export interface StateSubscriptionOptions extends SubscriptionBase {
  readonly view: StateView;
  readonly filterKey: string;
  readonly matches: Matches;
  readonly shared: SharedFrames;
  /** Flush at every so manieth tick. */
  readonly everyTicks: number;
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
  /** The last frame was cut: the rest is due without waiting for the next flush. */
  #more = false;
  #toldPosition: Position = START;
  #toldTick = 0;

  constructor(options: StateSubscriptionOptions) {
    this.#options = options;
    this.channel = options.channel;
  }

  pump(tick: number): void {
    const { view, outlet, limits, events, everyTicks } = this.#options;
    if (!view.loaded || this.#phase === "ended") return;
    if (this.#phase === "starting") this.#start(tick);
    if (this.#phase !== "snapshot" && this.#phase !== "live") return;
    const due = this.#phase === "snapshot" || this.#more || tick % everyTicks === 0;
    if (!due || (this.#phase === "live" && view.head <= this.#position)) return;
    if (outlet.unsentBytes > limits.bufferedBytesCoalesce) {
      if (this.#phase === "live") events.flushConflated();
      return;
    }
    for (let sent = 0; sent < FRAMES_PER_TURN; sent++) {
      this.#flush(tick);
      if (!this.#more || outlet.unsentBytes > limits.bufferedBytesCoalesce) return;
    }
  }

  end(): void {
    this.#phase = "ended";
  }

  #start(tick: number): void {
    const { cursor, channel, view, snapshotAlways } = this.#options;
    if (cursor === undefined || snapshotAlways) {
      this.#phase = "snapshot";
      return;
    }
    const position = parseCursor(channel, cursor);
    if (position === undefined) this.#tellGap(-1);
    else if (position < view.floor) this.#tellGap(this.#options.missedSince(position));
    else if (position <= view.head) this.#resume(position, tick);
    else this.#askAbout(position, tick);
  }

  #tellGap(missed: number): void {
    const { outlet, events, channel, view } = this.#options;
    outlet.send(gapFrame(this.#options, { position: view.head, missed }));
    events.gapTold(channel, missed);
    this.#phase = "snapshot";
  }

  /** Another gateway, that is further in the log than this one, may have given the cursor. */
  #askAbout(position: Position, tick: number): void {
    this.#phase = "asking";
    const decide = (reached: boolean) => {
      if (this.#phase !== "asking") return;
      if (reached) this.#resume(position, tick);
      else this.#tellGap(-1);
    };
    this.#options.logReached(sequenceOf(position)).then(decide, () => decide(false));
  }

  #resume(position: Position, tick: number): void {
    this.#position = position;
    this.#phase = "live";
    this.#options.events.resumed(this.channel);
    // What was missed is due at once, and if it is nothing the client learns that too.
    this.#more = true;
    if (position >= this.#options.view.head) this.#tell(tick);
  }

  #flush(tick: number): void {
    const { outlet, events, shared } = this.#options;
    const request: FrameRequest = { ...this.#options, after: this.#position, bytesMax: FRAME_BYTES };
    const batch = shared.batch(request);
    const kind = this.#phase === "snapshot" ? "snapshot" : "update";
    if (batch.count > 0 || kind === "snapshot") {
      outlet.send(shared.frame(kind, request, batch));
      events.itemsSent(this.channel, batch.count);
      this.#toldPosition = batch.position;
      this.#toldTick = tick;
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
