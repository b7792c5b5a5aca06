/** How the scenarios see an MQTT client library, and how a library's answers look to them. */

export type Version = 4 | 5;
export type Transport = "tcp" | "tls" | "ws";
export type Qos = 0 | 1 | 2;

/** The properties of MQTT 5 that travel with a message. */
export interface MessageProperties {
  readonly payloadFormat?: number;
  readonly contentType?: string;
  readonly responseTopic?: string;
  /** Text; the protocol carries bytes. */
  readonly correlationData?: string;
  readonly userProperties?: readonly (readonly [string, string])[];
  readonly messageExpiry?: number;
  readonly topicAlias?: number;
}

export interface Publication {
  readonly topic: string;
  readonly payload: string;
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly properties?: MessageProperties;
}

export interface Received extends Required<Omit<Publication, "properties">> {
  readonly dup: boolean;
  readonly properties: MessageProperties;
  readonly subscriptionIdentifiers: readonly number[];
}

export interface Will extends Publication {
  /** Will Delay Interval, in seconds. */
  readonly delay?: number;
}

export interface ConnectOptions {
  readonly version: Version;
  readonly transport: Transport;
  readonly host: string;
  readonly port: number;
  /** PEM file that certifies the broker. */
  readonly caFile: string;
  readonly clientId: string;
  readonly cleanStart: boolean;
  readonly username?: string;
  readonly password?: string;
  /** Session Expiry Interval, in seconds; MQTT 5 only. */
  readonly sessionExpiry?: number;
  readonly receiveMaximum?: number;
  readonly will?: Will;
  /** The library connects again by itself when the connection breaks. */
  readonly reconnects?: boolean;
}

export interface Connack {
  readonly sessionPresent: boolean;
  readonly reasonCode: number;
  readonly assignedClientId?: string;
}

export interface Filter {
  readonly filter: string;
  readonly qos?: Qos;
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: 0 | 1 | 2;
}

export interface Connection {
  /** The newest one: a library that connects again gets another. */
  readonly connack: Connack;
  /** How often it connected. */
  readonly connects: number;
  readonly messages: readonly Received[];
  /** Set when the connection ended. The reason code is the one of the broker's DISCONNECT, if it sent one. */
  readonly closed: { readonly reasonCode?: number } | undefined;
  /** Resolves to the reason code of each filter. */
  subscribe(filters: readonly Filter[], identifier?: number): Promise<readonly number[]>;
  unsubscribe(filter: string): Promise<void>;
  /** Resolves to the reason code of the acknowledgement; 0 for QoS 0, and always with MQTT 3.1.1. */
  publish(publication: Publication): Promise<number>;
  /** Breaks the connection without a DISCONNECT. With `reconnects` the library comes back. */
  cut(): Promise<void>;
  /** Sends a DISCONNECT. */
  close(): Promise<void>;
}

/** What a library can do; a scenario that needs more is not run with it. */
export type Feature =
  | "reason codes of PUBACK"
  | "reason codes of PUBREC"
  | "reason code of disconnect"
  | "topic alias"
  | "order of user properties"
  | "content type of wills"
  | "empty client id"
  | "reconnects";

export interface Library {
  readonly name: string;
  readonly versions: readonly Version[];
  readonly transports: readonly Transport[];
  readonly features: ReadonlySet<Feature>;
  /** Rejects with RefusedError when the broker refuses. */
  connect(options: ConnectOptions): Promise<Connection>;
  /** Ends all connections, and its process if it has one. */
  stop(): Promise<void>;
}

/** A CONNACK that says no. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly reasonCode: number;

  constructor(reasonCode: number) {
    super(`the broker refused the connection with ${reasonCode}`);
    this.reasonCode = reasonCode;
  }
}
