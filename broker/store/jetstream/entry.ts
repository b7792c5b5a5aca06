import type { SessionRecord } from "../port.ts";
import type { LoadedProgress } from "./queue-deps.ts";

/** All that an edge knows of a session. Without a record, it is deleted. */
export interface Entry {
  readonly clientId: string;
  /** The client id in subjects. */
  readonly token: string;
  record: SessionRecord | undefined;
  epoch: number;
  incarnation: number;
  /** Of the newest record, and when it was stored. */
  recordSequence: number;
  recordAtUs: number;
  /** The newest frame of its queue that is known, and that this edge has stored. */
  lastSequence: number;
  ownSequence: number;
  /** Frames up to it are finished, as far as is known while another edge or none owns the queue. */
  doneSequence: number;
  /** Messages and bytes that its queue has received since its creation, with those of `lastSequence`. */
  readonly arrived: Amount;
  /** Of frames that this edge writes and has not read back. */
  readonly underWay: Amount;
  /** Of those arrived, what is finished. */
  readonly finished: Amount;
  /** While this edge owns it. */
  queue: LiveQueue | undefined;
  /** Ends when the operations so far have. */
  busy: Promise<unknown>;
}

/** A queue that this edge owns: see `OwnedQueue`. */
export interface LiveQueue {
  readonly epoch: number;
  pushed(sequence: number, payload: Uint8Array, before: number): void;
  trim(most: Amount): Promise<number>;
  detach(): Promise<LoadedProgress>;
  taken(): void;
  close(): Promise<void>;
}

/** Of messages in queues. */
export interface Amount {
  messages: number;
  bytes: number;
}

export function newEntry(clientId: string, token: string): Entry {
  return {
    clientId,
    token,
    record: undefined,
    epoch: 0,
    incarnation: 0,
    recordSequence: 0,
    recordAtUs: 0,
    lastSequence: 0,
    ownSequence: 0,
    doneSequence: 0,
    arrived: { messages: 0, bytes: 0 },
    underWay: { messages: 0, bytes: 0 },
    finished: { messages: 0, bytes: 0 },
    queue: undefined,
    busy: Promise.resolve(),
  };
}

export function waitingOf({ arrived, finished }: Entry): Amount {
  return {
    messages: Math.max(0, arrived.messages - finished.messages),
    bytes: Math.max(0, arrived.bytes - finished.bytes),
  };
}

/** Another queue: nothing has arrived yet. */
export function resetQueue(entry: Entry): void {
  for (const amount of [entry.arrived, entry.underWay, entry.finished])
    Object.assign(amount, { messages: 0, bytes: 0 });
  entry.lastSequence = 0;
  entry.ownSequence = 0;
  entry.doneSequence = 0;
}

/** Operations of one session, one after the other. */
export async function exclusively<T>(entry: Entry, act: () => Promise<T>): Promise<T> {
  const turn = entry.busy.then(act);
  entry.busy = turn.catch(() => {});
  return await turn;
}
