import type { IncomingIds, Message, SessionQueue, SessionRecord, StoredWill, Subscription } from "../store/port.ts";
import type { TransientSession } from "../store/transient-session.ts";

/** The connection that a session has. */
export interface SessionClient {
  /** A message with QoS 0. */
  deliver(message: Message, options: DeliverOptions): void;
  /** A message of this many bytes is in the session's queue, or will be soon. */
  announced(bytes: number): void;
  /** How many more messages it can send at once. */
  room(): number;
  /** Another connection takes the session. Resolves once this one has let go of it. */
  takenOver(): Promise<void>;
}

export interface DeliverOptions {
  readonly retain: boolean;
  readonly identifiers: readonly number[];
}

/** A session whose client is connected. */
export interface Session {
  readonly clientId: string;
  readonly user: string;
  readonly client: SessionClient;
  readonly queue: SessionQueue;
  readonly incoming: IncomingIds;
  readonly subscriptions: Map<string, Subscription>;
  /** Ends with its connection; undefined if the store has it. */
  readonly transient: TransientSession | undefined;
  /** Of two edges that have a connection with its client id, the later one keeps it. */
  readonly openedAtUs: number;
  /** Of the store. */
  record: SessionRecord | undefined;
  expirySeconds: number;
  will: StoredWill | undefined;
}

/** What a CONNECT asks for. */
export interface OpenOptions {
  readonly clientId: string;
  readonly user: string;
  readonly cleanStart: boolean;
  readonly expirySeconds: number;
  readonly will: StoredWill | undefined;
  readonly client: SessionClient;
  /** Subscriptions of an earlier connection are kept only if this allows them: the user may have lost rights. */
  readonly maySubscribe: (filter: string) => boolean;
}

export interface Opened {
  readonly session: Session;
  readonly present: boolean;
  readonly hasLostRights: boolean;
}
