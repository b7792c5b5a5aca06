import type { FrameWriter } from "../../domain/frame-writer.ts";
import { kindOf, type ReadingValue, type Tags } from "../../domain/reading.ts";
import type { InboundMessage } from "../../platform/publish-gate.ts";
import { clash } from "../formats/clash.ts";
import type { PayloadProblem } from "../formats/format.ts";
import type { Decoded, MappedMessage, Readings } from "../mapping/rules.ts";
import type { TimeReader } from "../mapping/times.ts";
import type { RouteSeries } from "../sources/series-cache.ts";
import { type Route, sourceText, type Target, type TopicRoutes } from "../sources/topic-routes.ts";
import type { FrameBatcher } from "./frame-batcher.ts";

const SIZE_CHECK_READINGS = 64;

/** What is wrong with a message, or with a part of it. */
export interface MessageProblem {
  readonly reason: PayloadProblem["reason"] | "unknown-topic" | "too-many-devices";
  readonly detail: string;
  readonly position?: number;
  /** Read the message again after this. */
  readonly until?: Promise<unknown>;
}

/** When a device's clock is wrong. */
export interface ClockLimits {
  readonly aheadUsMax: number;
  /** The earliest time that can be right. */
  readonly notBeforeUs: number;
}

interface WrongClocks {
  clockRanAhead(readings: number): void;
  clockFellBehind(readings: number): void;
  localTimesGuessed(times: number): void;
}

type View = { -readonly [Key in keyof MappedMessage]: MappedMessage[Key] };

/**
 * Decodes messages, one at a time, and puts their readings into the open frames of their partitions. One object serves
 * all messages, so that no message needs closures.
 */
export class MessageReader implements Readings {
  readonly #routes: TopicRoutes;
  readonly #batcher: FrameBatcher;
  readonly #limits: ClockLimits;
  readonly #clocks: WrongClocks;
  readonly #view: View = { ...NOTHING };
  #sender = "";
  #route: Route | undefined;
  #target: Target | undefined;
  #frame: FrameWriter | undefined;
  #receivedAtUs = 0;
  /** Reads the message's times, if they may be local. */
  #clock: TimeReader | undefined;
  #oldestUs = 0;
  readonly #opened: number[] = [];
  #openedCount = 0;
  #touched: Target[] = NO_TARGETS;
  /** The first reading of the message whose series is one too many. */
  #refused: PayloadProblem | undefined;
  /** Two samples of a series have the same time. */
  #clash: PayloadProblem | undefined;
  /** Times of a series are not in order: all of them must be compared. */
  #isUnordered = false;
  #times: Map<RouteSeries, Set<number>> | undefined;
  /** Its readings so far fill more than a frame: the others need no work. */
  #isTooLarge = false;
  #decoded = 0;
  /** How many readings the last message had. */
  count = 0;

  constructor(parts: {
    readonly routes: TopicRoutes;
    readonly batcher: FrameBatcher;
    readonly limits: ClockLimits;
    readonly clocks: WrongClocks;
  }) {
    this.#routes = parts.routes;
    this.#batcher = parts.batcher;
    this.#limits = parts.limits;
    this.#clocks = parts.clocks;
  }

  /** The partition of the last message's readings, if all are of one; -1 otherwise. */
  get onlyPartition(): number {
    return this.#touched.length === 1 && this.#openedCount === 1 ? (this.#opened[0] as number) : -1;
  }

  /** The partitions with readings of the last message. */
  get partitions(): readonly number[] {
    const opened = this.#opened.slice(0, this.#openedCount);
    if (this.#touched.length === 1) return opened;
    return opened.filter((partition) =>
      this.#touched.some((target) => target.partition === partition && target.readings > 0),
    );
  }

  /** The source that the last message was read by. */
  get source(): string | undefined {
    return this.#route && sourceText(this.#route.plan);
  }

  /** The devices of the last message. */
  get devices(): readonly Target[] {
    return this.#touched;
  }

  /**
   * Returns the problem with the message, if any; some readings may still be valid (`count`). Never throws: if
   * decoding throws, none of the message's readings remain in a frame.
   */
  read(message: InboundMessage, route: Route): MessageProblem | "ignored" | undefined {
    let problem: MessageProblem | "ignored" | undefined;
    try {
      problem = this.#readBy(message, route);
    } catch (error) {
      this.#undo();
      problem = readingFailed(error);
    }
    if (problem !== NOT_TAKEN && this.#route !== undefined) this.#route.usage.messages++;
    this.#countReadings();
    return problem;
  }

  device(name: string, tags: Tags): PayloadProblem | undefined {
    const target = this.#routes.target({ device: name, tags }, { sender: this.#sender, atUs: this.#receivedAtUs });
    if ("problem" in target) {
      const reason = target.problem === "too-many-devices" ? target.problem : "bad-name";
      return { reason, detail: target.detail };
    }
    this.#enter(target);
    return undefined;
  }

  add(metric: string, value: ReadingValue, observedAtUs: number | undefined, unit?: string): boolean {
    const target = unit === undefined ? (this.#target as Target) : this.#withUnit(unit);
    if (target === undefined || this.#isTooLarge) return true;
    if (this.count % SIZE_CHECK_READINGS === 0) this.#isTooLarge = this.#batcher.isTooLarge(target.partition);
    const series = target.series.get(metric, kindOf(value), this.#receivedAtUs);
    if (series === undefined) {
      this.#refused ??= target.series.refused;
      return target.series.refused !== undefined;
    }
    let atUs = this.#receivedAtUs;
    let isWrong = false;
    let isDoubtful = false;
    if (observedAtUs !== undefined) {
      if (observedAtUs > atUs + this.#limits.aheadUsMax) {
        target.clockAhead++;
        isWrong = true;
      } else if (observedAtUs >= this.#oldestUs) {
        atUs = observedAtUs;
        // One of two instants: its clock is not wrong, but may be an hour off.
        if (this.#clock !== undefined && this.#clock.guessed > 0) isDoubtful = this.#clock.isTwiceTold(atUs);
      } else {
        // Also NaN, a time that cannot be right.
        target.clockBehind++;
        isWrong = true;
      }
    }
    this.#noteTime(series, atUs, isWrong || observedAtUs === undefined);
    this.#frame?.addTo(series, atUs, value, isWrong || isDoubtful);
    target.readings++;
    this.count++;
    return true;
  }

  /** Decodes until the message has its source and its place. Each reason to decode again applies once. */
  #readBy(message: InboundMessage, first: Route): MessageProblem | "ignored" | undefined {
    let route = first;
    let isExact = false;
    let isSent = false;
    this.#times = undefined;
    this.#view.number++;
    for (;;) {
      this.#route = route;
      const decoded = this.#decode(message, route, isExact);
      if (decoded === "not-mine") {
        this.#undo();
        if (route.next === undefined) return NOT_TAKEN;
        route = route.next;
        isExact = false;
      } else if (decoded === "again-exactly") {
        this.#undo();
        isExact = true;
      } else if (this.#clash !== undefined) {
        this.#undo();
        return this.#clash;
      } else if (this.#isUnordered && this.#times === undefined) {
        this.#undo();
        this.#times = new Map();
      } else if (!this.#isOverfull()) {
        this.#clocks.localTimesGuessed(route.plan.rules.times.guessed);
        return decoded ?? this.#refused;
      } else if (isSent || !this.#sendOverfull()) {
        this.#undo();
        const detail = `its readings take more than ${this.#batcher.bytesMax} bytes, the most that a frame of the log holds`;
        return { reason: "too-large", detail };
      } else isSent = true;
    }
  }

  #decode(message: InboundMessage, route: Route, isExact: boolean): Decoded {
    this.count = 0;
    this.#openedCount = 0;
    this.#touched = NO_TARGETS;
    this.#refused = undefined;
    this.#clash = undefined;
    this.#isUnordered = false;
    this.#isTooLarge = false;
    this.#times?.clear();
    const { receivedAtUs, topic, payload, sender = "" } = message;
    this.#sender = sender;
    this.#receivedAtUs = receivedAtUs;
    const { times } = route.plan.rules;
    this.#clock = times.isLocal ? times : undefined;
    const behindUs = maxBehindUs(route);
    this.#oldestUs = Math.max(this.#limits.notBeforeUs, receivedAtUs - behindUs);
    this.#decoded++;
    this.#target = undefined;
    if (route.target !== undefined) this.#enter(route.target);
    const view = this.#view;
    view.payload = payload;
    view.topic = topic;
    view.receivedAtUs = receivedAtUs;
    view.captured = route.captured;
    view.attempt = this.#decoded;
    view.isExact = isExact;
    return route.decode(view, this);
  }

  #enter(target: Target): void {
    if (target.inMessage !== this.#decoded) {
      target.inMessage = this.#decoded;
      target.readings = 0;
      target.clockAhead = 0;
      target.clockBehind = 0;
      // Nearly all messages are of one device: an array of one is cheaper than a growing one.
      if (this.#touched.length === 0) this.#touched = [target];
      else this.#touched.push(target);
    }
    const { partition } = target;
    this.#frame = this.#isOpened(partition) ? this.#batcher.opened(partition) : this.#open(partition);
    this.#target = target;
  }

  #isOpened(partition: number): boolean {
    for (let i = 0; i < this.#openedCount; i++) if (this.#opened[i] === partition) return true;
    return false;
  }

  #isOverfull(): boolean {
    for (let i = 0; i < this.#openedCount; i++) if (this.#batcher.isOverfull(this.#opened[i] as number)) return true;
    return false;
  }

  #open(partition: number): FrameWriter {
    this.#opened[this.#openedCount++] = partition;
    return this.#batcher.open(partition, this.#receivedAtUs);
  }

  #withUnit(unit: string): Target | undefined {
    const target = this.#target as Target;
    const { device, tags } = target;
    const problem = this.device(device, { ...tags, unit });
    const withUnit = this.#target;
    this.#target = target;
    this.#refused ??= problem;
    return problem === undefined ? withUnit : undefined;
  }

  /** Two samples of one series in one message must not share a time: one of them would count as a duplicate. */
  #noteTime(series: RouteSeries, atUs: number, isReceived: boolean): void {
    if (series.inMessage !== this.#decoded) {
      series.inMessage = this.#decoded;
      series.oldestUs = atUs;
      series.newestUs = atUs;
      this.#times?.set(series, new Set([atUs]));
      return;
    }
    const times = this.#times?.get(series);
    if (times?.has(atUs) || atUs === series.newestUs || atUs === series.oldestUs) {
      this.#clash ??= clash(series.series.metric, isReceived);
    } else if (atUs > series.newestUs) series.newestUs = atUs;
    else if (atUs < series.oldestUs) series.oldestUs = atUs;
    else this.#isUnordered = true;
    times?.add(atUs);
  }

  /** Sends what was in the full frames before the message. False if the message alone is too large for one. */
  #sendOverfull(): boolean {
    const full = this.#opened.slice(0, this.#openedCount).filter((partition) => this.#batcher.isOverfull(partition));
    if (full.some((partition) => this.#batcher.isTooLarge(partition))) return false;
    this.#undo();
    return full.every((partition) => this.#batcher.sendOpen(partition));
  }

  #undo(): void {
    for (let i = 0; i < this.#openedCount; i++) this.#batcher.undo(this.#opened[i] as number);
    this.count = 0;
    for (const target of this.#touched) {
      target.readings = 0;
      target.clockAhead = 0;
      target.clockBehind = 0;
    }
  }

  #countReadings(): void {
    const usage = this.#route?.usage;
    if (usage !== undefined && this.count > 0) {
      usage.withReadings++;
      usage.readings += this.count;
    }
    let ahead = 0;
    let behind = 0;
    for (const target of this.#touched) {
      const { counts } = target;
      counts.readings += target.readings;
      if (target.clockAhead + target.clockBehind === 0) continue;
      counts.clockAhead += target.clockAhead;
      counts.clockBehind += target.clockBehind;
      ahead += target.clockAhead;
      behind += target.clockBehind;
    }
    if (ahead > 0) this.#clocks.clockRanAhead(ahead);
    if (behind > 0) this.#clocks.clockFellBehind(behind);
  }
}

const NOTHING: MappedMessage = {
  payload: new Uint8Array(),
  topic: "",
  receivedAtUs: 0,
  captured: {},
  number: 0,
  attempt: 0,
  isExact: false,
};

/** Never written to. */
const NO_TARGETS: Target[] = [];

const NOT_TAKEN: MessageProblem = {
  reason: "unknown-topic",
  detail: "no source takes this message: `when` does not hold in those that match its topic",
};

function maxBehindUs({ plan: { config } }: Route): number {
  return (config.timestamp === "received" ? undefined : config.timestamp.max_behind) ?? Number.POSITIVE_INFINITY;
}

const ERROR_CHARACTERS_MAX = 300;

/** A bug of Weir, not a fault of the device: the message is kept for a version that can read it. */
export function readingFailed(error: unknown): PayloadProblem {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { reason: "reading-failed", detail: `reading it failed: ${text.slice(0, ERROR_CHARACTERS_MAX)}` };
}
