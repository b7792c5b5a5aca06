/** A publish as it arrived from a device. `payload` may be a view of a shared buffer: keep a copy, not the view. */
export interface InboundMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly clientId: string;
  /** Who answers for it: the user, or the address of a client without one. */
  readonly sender?: string;
  readonly receivedAtUs: number;
}

/**
 * Between the broker and the ingest: the broker acknowledges a publish only after `done` is called. `done` is called
 * once, with an error only when the gate is closed for good (the broker then drops the connection without an
 * acknowledgement). Messages that cannot become readings (unknown topics, bad payloads) are done once their dead
 * letter is stored.
 */
export interface PublishGate {
  accept(message: InboundMessage, done: (error?: Error) => void): void;
}
