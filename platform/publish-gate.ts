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
  /** False: its sender probably goes on without an acknowledgement, so that it need not be hurried. */
  readonly isAwaited?: boolean;
  /** MQTT 5. */
  readonly properties?: MessageProperties | undefined;
  /** The bridge that it came in by. */
  readonly bridge?: string;
}

/** What MQTT 5 says about a message besides its topic and payload. `correlationData` may be a view, like the payload. */
export interface MessageProperties {
  /** True: the payload is UTF-8. */
  readonly payloadFormatIndicator?: boolean;
  /** Usually a MIME type. */
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  /** In the order of the packet; a name may occur several times. `traceparent` names a trace (W3C Trace Context). */
  readonly userProperties?: readonly (readonly [name: string, value: string])[];
}

/**
 * What became of a message that is not simply readings in the log. A publisher that speaks MQTT 5 gets it with its
 * acknowledgement.
 */
export type PublishOutcome =
  /** No source takes its topic. It is a dead letter, whose sequence is its name. */
  | { readonly kind: "no-source"; readonly letter: string }
  /** It is a dead letter: its topic or payload makes no readings. */
  | {
      readonly kind: "dead-letter";
      readonly cause: "topic" | "payload" | "quota";
      readonly reason: string;
      readonly letter: string;
    };

/** An error, or an outcome unless the message is simply kept. */
export type PublishDone = (error?: Error, outcome?: PublishOutcome) => void;

/**
 * Between the broker and the ingest: the broker acknowledges a publish only after `done` is called. `done` is called
 * once, with an error only when the gate is closed for good (the broker then drops the connection without an
 * acknowledgement). Messages that cannot become readings (unknown topics, bad payloads) are done once their dead
 * letter is stored.
 */
export interface PublishGate {
  accept(message: InboundMessage, done: PublishDone): void;
}
