import { encodeGone } from "../../domain/frame-writer.ts";
import type { Device } from "../../domain/reading.ts";
import type { InboundMessage } from "../../platform/publish-gate.ts";
import type { IngestEvents } from "../common/events.ts";
import type { LetterProblem, LetterWriter } from "../dead-letters/letter-writer.ts";
import type { Route, RouteProblem, TopicRoutes } from "../sources/topic-routes.ts";
import type { FrameBatcher } from "./frame-batcher.ts";
import { type ClockLimits, type MessageProblem, MessageReader, readingFailed } from "./message-reader.ts";

export interface MessageLaneOptions {
  readonly routes: TopicRoutes;
  readonly batcher: FrameBatcher;
  readonly letters: LetterWriter;
  readonly events: IngestEvents;
  readonly limits: ClockLimits;
  /** Follows the sessions of devices, for formats that have any. */
  readonly sessions?: DeviceSessions;
}

/** For the registry's index, the schema that readings are of, and the one that the device wrote with. */
const WAITS_MAX = 3;

/** What a network says about its devices besides their readings. */
export interface DeviceSessions {
  /** The devices that readings of a message went to. */
  fed(topic: string, devices: readonly Device[]): void;
  /** The devices that the last message says are gone. */
  takeGone(): readonly Device[];
}

/** How many readings the message had, and its dead letter, if it became one. */
export type OnTaken = (error: Error | undefined, readings: number, letter?: KeptLetter) => void;

export interface KeptLetter extends LetterProblem {
  readonly sequence: number;
}

/**
 * Writes messages to the log: the readings of each go into an open frame, and a message that cannot be read becomes a
 * dead letter. Live messages and retried ones have separate lanes, because a frame has one time of receipt.
 */
export class MessageLane {
  readonly #routes: TopicRoutes;
  readonly #batcher: FrameBatcher;
  readonly #letters: LetterWriter;
  readonly #events: IngestEvents;
  readonly #reader: MessageReader;
  readonly #sessions: DeviceSessions | undefined;
  readonly #waiting = new Set<Promise<void>>();

  constructor({ routes, batcher, letters, events, limits, sessions }: MessageLaneOptions) {
    this.#sessions = sessions;
    this.#routes = routes;
    this.#batcher = batcher;
    this.#letters = letters;
    this.#events = events;
    this.#reader = new MessageReader({ routes, batcher, limits, clocks: events });
  }

  /**
   * Calls `done` once the log has everything from the message. Never throws: a message that cannot be read, for any
   * reason, becomes a dead letter. `retryOf`: the sequence of the letter that it comes from.
   */
  take(message: InboundMessage, done: OnTaken, retryOf?: number): void {
    this.#events.messageReceived();
    // This is how MQTT clears a retained message.
    if (message.payload.length === 0) {
      this.#drop("empty-payload", done);
      return;
    }
    const route = this.#routeOf(message);
    if ("problem" in route) this.#refuse(message, route, { done, retryOf });
    else this.#read(message, route, { done, retryOf });
  }

  #refuse(message: InboundMessage, { problem: reason, detail, source }: RouteProblem, { done, retryOf }: Taking): void {
    const problem: LetterProblem = { reason, detail, ...(source === undefined ? {} : { source }) };
    this.#letters.keep(message, problem, (error, letter) => done(error, 0, named(letter, problem)), retryOf);
  }

  #read(message: InboundMessage, route: Route, taking: Taking): void {
    const { done, retryOf } = taking;
    const outcome = this.#reader.read(message, route);
    if (typeof outcome === "object" && outcome.until !== undefined && (taking.waits ?? 0) < WAITS_MAX) {
      this.#readAfter(outcome.until, message, taking);
      return;
    }
    for (const { counts } of this.#reader.devices) counts.messages++;
    if (route.plan.format.entry.kind === "samples" && this.#sessions !== undefined) {
      const gone = this.#follow(message.topic, this.#sessions);
      if (gone.length > 0) {
        this.#leave(gone, done);
        return;
      }
    }
    if (outcome === "ignored") this.#drop(outcome, done);
    else if (outcome !== undefined)
      this.#keepLetter({ message, problem: letterProblem(outcome, this.#reader.source), retryOf }, done);
    else if (this.#reader.count > 0) this.#store(message, done);
    else {
      for (const { counts } of this.#reader.devices) counts.dropped++;
      this.#drop("no-readings", done);
    }
  }

  /** The message waits for what is being loaded; its client and the broker bound how many do. */
  #readAfter(until: Promise<unknown>, message: InboundMessage, taking: Taking): void {
    // The payload may be a view of a buffer that is reused.
    const kept = { ...message, payload: new Uint8Array(message.payload) };
    const read: Promise<void> = until
      .catch(() => undefined)
      .then(() => {
        const route = this.#routeOf(kept);
        if ("problem" in route) this.#refuse(kept, route, taking);
        else this.#read(kept, route, { ...taking, waits: (taking.waits ?? 0) + 1 });
      })
      .finally(() => this.#waiting.delete(read));
    this.#waiting.add(read);
  }

  #follow(topic: string, sessions: DeviceSessions): readonly Device[] {
    const fed = this.#reader.devices.filter(({ readings }) => readings > 0);
    if (fed.length > 0) sessions.fed(topic, fed);
    return sessions.takeGone();
  }

  /** Devices are gone: the log says so, behind their readings. */
  #leave(devices: readonly Device[], done: OnTaken): void {
    const byPartition = new Map<number, Device[]>();
    for (const device of devices) {
      const partition = this.#routes.partitionOf(device);
      byPartition.set(partition, [...(byPartition.get(partition) ?? []), device]);
    }
    const settle = afterAll(byPartition.size, (error) => done(error, 0));
    for (const [partition, gone] of byPartition) this.#batcher.sendEntry(partition, encodeGone(gone), settle);
  }

  #drop(reason: string, done: OnTaken): void {
    this.#events.messageDropped(reason);
    done(undefined, 0);
  }

  /** Sends the open frames, and resolves when everything is in the log. */
  async drain(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.all(this.#waiting);
    await this.#batcher.drain();
  }

  #routeOf({ topic, sender, receivedAtUs }: InboundMessage): Route | RouteProblem {
    try {
      return this.#routes.find(topic, sender, receivedAtUs);
    } catch (error) {
      return { problem: "reading-failed", detail: readingFailed(error).detail };
    }
  }

  #store({ isAwaited = true }: InboundMessage, done: OnTaken): void {
    const { count, devices } = this.#reader;
    this.#close(isAwaited, (error) => {
      if (error === undefined) {
        for (const { counts } of devices) counts.stored++;
        this.#events.messageStored();
      } else this.#events.messageNotKept(error);
      done(error, count);
    });
  }

  /** Stores the valid readings of the message too; the letter has the whole message. */
  #keepLetter({ message, problem, retryOf }: FailedMessage, done: OnTaken): void {
    const { count, devices } = this.#reader;
    const settle = afterAll(2, (error, letter) => done(error, count, named(letter, problem)));
    if (count > 0) this.#close(message.isAwaited ?? true, settle);
    else settle();
    for (const { counts } of devices) counts.deadLettered++;
    this.#letters.keep(message, problem, settle, retryOf);
  }

  /** Ends the message in each partition with readings of it. */
  #close(isAwaited: boolean, onKept: (error?: Error) => void): void {
    const { onlyPartition } = this.#reader;
    if (onlyPartition >= 0) {
      this.#batcher.close(onlyPartition, onKept, isAwaited);
      return;
    }
    const { partitions } = this.#reader;
    const settle = partitions.length === 1 ? onKept : afterAll(partitions.length, onKept);
    for (const partition of partitions) this.#batcher.close(partition, settle, isAwaited);
  }
}

function letterProblem({ reason, detail, position }: MessageProblem, source: string | undefined): LetterProblem {
  const known = source === undefined ? {} : { source };
  return { reason, detail, ...(position === undefined ? {} : { position }), ...known };
}

interface Taking {
  readonly done: OnTaken;
  readonly retryOf: number | undefined;
  readonly waits?: number;
}

interface FailedMessage {
  readonly message: InboundMessage;
  readonly problem: LetterProblem;
  readonly retryOf: number | undefined;
}

function named(sequence: number | undefined, { reason, detail }: LetterProblem): KeptLetter | undefined {
  return sequence === undefined ? undefined : { sequence, reason, detail };
}

/** Calls `done` on the last of `callsMax` calls, with the first error and the first letter of all. */
function afterAll(
  callsMax: number,
  done: (error?: Error, letter?: number) => void,
): (error?: Error, letter?: number) => void {
  let calls = 0;
  let firstError: Error | undefined;
  let firstLetter: number | undefined;
  return (error, letter) => {
    firstError ??= error;
    firstLetter ??= letter;
    calls++;
    if (calls === callsMax) done(firstError, firstLetter);
  };
}
