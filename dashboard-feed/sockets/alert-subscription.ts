import type { ChannelOf } from "../../contracts/feed/channels.ts";
import { US_PER_MS } from "../../domain/time.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Log } from "../../platform/log/port.ts";
import { endOf, type Position, parseCursor, sequenceOf } from "../common/cursor.ts";
import type { CompiledFilter } from "../common/filter.ts";
import { type AlertEntry, type AlertsView, alertMatches, readAlert } from "../views/alerts-view.ts";
import { gapFrame, itemsFrame, type Subscription, type SubscriptionBase } from "./outlet.ts";
import type { SharedFrames } from "./shared-frames.ts";

const FRAME_BYTES = 262_144;
const ENTRIES_AT_ONCE = 500;
const DRAIN_POLL_MS = 20;
/** In the time it has, a client that keeps alerts waiting must read this share of the bound. */
const PROGRESS_SHARE = 1 / 16;

export interface AlertSubscriptionOptions extends SubscriptionBase {
  readonly channel: ChannelOf<"changes">;
  readonly log: Log;
  readonly view: AlertsView;
  readonly filter: CompiledFilter;
  readonly shared: SharedFrames;
  readonly nowMs: () => number;
}

type Phase = "starting" | "awaiting-log" | "snapshot" | "catching-up" | "live" | "ended";

/** Sends every alert change, in order. Closes a client that is too slow for them. */
export class AlertSubscription implements Subscription {
  readonly channel;
  readonly #options: AlertSubscriptionOptions;
  #phase: Phase = "starting";
  /** Everything up to this position was sent, or does not match the filter. */
  #position: Position = 0;
  /** The rest of the snapshot. */
  #snapshot: AlertEntry[] = [];
  #snapshotBegun = false;
  /** When the client started to keep alerts waiting. */
  #waitingSinceMs: number | undefined;
  /** The bytes that it had not read at that time. */
  #waitingBytes = 0;

  constructor(options: AlertSubscriptionOptions) {
    this.#options = options;
    this.channel = options.channel;
  }

  pump(tick: number): number {
    if (!this.#options.view.loaded) return tick + 1;
    if (this.#phase === "starting") this.#start();
    this.#advance();
    // The next new change pumps a client that is up to date.
    const settled = this.#phase === "ended" || (this.#phase === "live" && this.#waitingSinceMs === undefined);
    return settled ? Number.POSITIVE_INFINITY : tick + 1;
  }

  #advance(): void {
    if (this.#phase === "snapshot") this.#sendSnapshot();
    if (this.#phase === "live") this.#sendLive();
  }

  end(): void {
    this.#phase = "ended";
    this.#snapshot = [];
  }

  #start(): void {
    const { cursor, view } = this.#options;
    if (cursor === undefined) {
      this.#beginSnapshot();
      return;
    }
    const position = parseCursor(this.#options, cursor);
    if (position === undefined) this.#sendGap(-1);
    else if (position > view.head) this.#awaitLog(position);
    else this.#resume(position);
  }

  #awaitLog(position: Position): void {
    this.#phase = "awaiting-log";
    const decide = (reached: boolean) => {
      if (this.#phase !== "awaiting-log") return;
      if (reached) this.#resume(position);
      else this.#sendGap(-1);
    };
    this.#options.logReached(sequenceOf(position)).then(decide, () => decide(false));
  }

  #resume(position: Position): void {
    this.#position = position;
    this.#options.events.resumed(this.channel);
    if (position < this.#options.view.floor) {
      this.#beginCatchUp();
      return;
    }
    this.#phase = "live";
    // Sent even if nothing was missed, so that the client learns that it is up to date.
    if (position >= this.#options.view.head) this.#send("update", [], position);
    this.#sendLive();
  }

  #sendGap(missed: number): void {
    const { outlet, events, view } = this.#options;
    outlet.send(gapFrame(this.#options, { position: view.head, missed }));
    events.gapSent(this.channel, missed);
    this.#beginSnapshot();
    this.#advance();
  }

  #beginSnapshot(): void {
    const { view, filter } = this.#options;
    this.#snapshot = view.snapshot().filter(({ change }) => alertMatches(filter, change));
    this.#snapshotBegun = false;
    this.#position = view.head;
    this.#phase = "snapshot";
  }

  #sendSnapshot(): void {
    const { outlet, limits } = this.#options;
    while (outlet.unsentBytes <= limits.buffered_size_coalesce) {
      let bytes = 0;
      let end = 0;
      for (; end < this.#snapshot.length && bytes < FRAME_BYTES; end++) bytes += this.#snapshot[end]?.text.length ?? 0;
      const entries = this.#snapshot.splice(0, end);
      // A cursor within a snapshot must not cover unsent changes, so it is the cursor of the last entry sent.
      const position = this.#snapshot.length === 0 ? this.#position : (entries.at(-1)?.position ?? 0);
      this.#send(this.#snapshotBegun ? "update" : "snapshot", entries, position);
      this.#snapshotBegun = true;
      if (this.#snapshot.length > 0) continue;
      this.#phase = "live";
      return;
    }
  }

  #sendLive(): void {
    const { view, outlet, limits, filter } = this.#options;
    while (this.#position < view.head) {
      if (this.#position < view.floor) {
        this.#beginCatchUp();
        return;
      }
      if (outlet.unsentBytes > limits.buffered_size_max) {
        this.#keepWaiting();
        return;
      }
      // There is room again: the client has read what was sent before.
      this.#waitingSinceMs = undefined;
      const entries = firstBytes(view.after(this.#position, ENTRIES_AT_ONCE));
      const newest = entries.at(-1)?.position;
      // Entries after the last change may not be changes.
      const position = newest === undefined || view.after(newest, 1).length === 0 ? view.head : newest;
      const matching = entries.filter(({ change }) => alertMatches(filter, change));
      if (matching.length > 0) this.#sendShared(matching, { after: this.#position, position });
      this.#position = position;
    }
  }

  /**
   * Closes a client that reads hardly anything. A client that is far behind but keeps reading stays connected; its
   * other changes wait in the view.
   */
  #keepWaiting(): void {
    const { nowMs, outlet, limits } = this.#options;
    const { unsentBytes } = outlet;
    const progressed = unsentBytes <= this.#waitingBytes - limits.buffered_size_max * PROGRESS_SHARE;
    if (this.#waitingSinceMs === undefined || progressed) {
      this.#waitingSinceMs = nowMs();
      this.#waitingBytes = unsentBytes;
    } else if (nowMs() - this.#waitingSinceMs > limits.alerts_wait_max / US_PER_MS) outlet.close("too-slow");
  }

  /** Reads what the view no longer has from the log, then continues with the view. */
  #beginCatchUp(): void {
    this.#phase = "catching-up";
    this.#catchUp().catch((error) => {
      this.#options.events.readFailed("ALERTS", error);
      // The client reconnects with its cursor.
      this.#options.outlet.close("error");
    });
  }

  async #catchUp(): Promise<void> {
    const { log, view, limits } = this.#options;
    const asked = this.#position;
    const { firstSequence } = await log.bounds("ALERTS");
    if (this.#phase !== "catching-up") return;
    const gone = firstSequence - sequenceOf(asked) - 1;
    const toRead = sequenceOf(view.floor) - sequenceOf(asked);
    if (gone > 0 || toRead > limits.resume_entries_max) {
      this.#sendGap(Math.max(gone, toRead));
      return;
    }
    // The view may drop more changes during the read.
    while (this.#phase === "catching-up" && this.#position < view.floor) await this.#readUpTo(sequenceOf(view.floor));
    if (this.#phase !== "catching-up") return;
    this.#phase = "live";
    this.#sendLive();
  }

  async #readUpTo(lastSequence: number): Promise<void> {
    const { log, filter } = this.#options;
    const sequence = sequenceOf(this.#position) + 1;
    const reader = log.read({ stream: "ALERTS", from: { kind: "sequence", sequence } });
    try {
      for await (const batch of reader) {
        const wanted = batch.filter((message) => message.sequence <= lastSequence);
        const entries = wanted.flatMap((message) => {
          const entry = readAlertOrNothing(message);
          return entry !== undefined && alertMatches(filter, entry.change) ? [entry] : [];
        });
        await this.#drained();
        if (this.#phase !== "catching-up") return;
        const newest = batch.at(-1)?.sequence ?? 0;
        this.#position = endOf(Math.min(newest, lastSequence));
        if (entries.length > 0) this.#send("update", entries, this.#position);
        if (newest >= lastSequence) return;
      }
    } finally {
      await reader.close();
    }
    throw new Error("the alerts log ended while a client caught up");
  }

  /** Waits until the client has read what was sent. Closes a client that reads nothing at all. */
  async #drained(): Promise<void> {
    const { outlet, limits, nowMs } = this.#options;
    let least = outlet.unsentBytes;
    let sinceMs = nowMs();
    while (this.#phase === "catching-up" && outlet.unsentBytes > limits.buffered_size_coalesce) {
      if (nowMs() - sinceMs > limits.alerts_wait_max / US_PER_MS) outlet.close("too-slow");
      await sleep(DRAIN_POLL_MS);
      if (outlet.unsentBytes >= least) continue;
      least = outlet.unsentBytes;
      sinceMs = nowMs();
    }
  }

  /** Most clients are up to date, so all clients with the same filter get the same frame for a change. */
  #sendShared(entries: readonly AlertEntry[], span: { readonly after: Position; readonly position: Position }): void {
    const { shared, filter, outlet, events, id } = this.#options;
    const text = () =>
      itemsFrame("update", this.#options, {
        position: span.position,
        text: entries.map((entry) => entry.text).join(","),
      });
    outlet.sendFrame([shared.alertFrame(`${span.after} ${span.position} ${filter.key} ${id}`, text)]);
    events.itemsSent(this.channel, entries.length);
  }

  #send(kind: "snapshot" | "update", entries: readonly AlertEntry[], position: Position): void {
    const text = entries.map((entry) => entry.text).join(",");
    this.#options.outlet.send(itemsFrame(kind, this.#options, { position, text }));
    this.#options.events.itemsSent(this.channel, entries.length);
  }
}

/** The first entries, enough to fill a frame of the usual size; at least one. */
function firstBytes(entries: readonly AlertEntry[]): readonly AlertEntry[] {
  let bytes = 0;
  let end = 0;
  for (; end < entries.length && bytes < FRAME_BYTES; end++) bytes += entries[end]?.text.length ?? 0;
  return entries.slice(0, end);
}

/** The view has already reported unreadable messages. */
function readAlertOrNothing(message: Parameters<typeof readAlert>[0]): AlertEntry | undefined {
  try {
    return readAlert(message);
  } catch {
    return undefined;
  }
}
