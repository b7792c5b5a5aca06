import { headers, type Msg, NoRespondersError, RequestError, TimeoutError } from "@nats-io/transport-node";
import { asError } from "../../domain/reason.ts";
import { rateLimited } from "../async/rate-limited.ts";
import { type BusTransport, createBus, errorAnswer, type RequestOptions } from "./bus.ts";
import { type Connection, WARNINGS } from "./jetstream-connection.ts";
import { fetchParts, isPromised, PARTS_ACCEPTED, PartsServer } from "./jetstream-parts.ts";
import { type Bus, NoAnswerError } from "./port.ts";

const PREFIX = "weir.";
const QUEUE = "weir";
const PART_TIMEOUT_MS = 5_000;

/** Core NATS: at most once. Reports are dropped while the connection is down. */
export function createNatsBus(connection: Connection, options: { readonly partTimeoutMs?: number } = {}): Bus {
  return createBus(new NatsTransport(connection, options.partTimeoutMs ?? PART_TIMEOUT_MS).methods());
}

/**
 * A question is one request with a reply. An answer that fits is one message: `{"value": ...}` or `{"error": ...}`. A
 * larger answer is announced in the reply's headers, and the asker fetches its parts (`jetstream-parts.ts`); askers
 * announce in a header of the request that they can do this.
 */
class NatsTransport {
  readonly #connection: Connection;
  readonly #partTimeoutMs: number;
  readonly #parts: PartsServer;
  #payloadBytesMax = 0;
  readonly #warnDropped = rateLimited(
    (problem: string) => this.#connection.logger.warn(`${problem}; it is dropped`),
    WARNINGS,
  );

  constructor(connection: Connection, partTimeoutMs: number) {
    this.#connection = connection;
    this.#partTimeoutMs = partTimeoutMs;
    this.#parts = new PartsServer(connection.nc);
  }

  methods(): BusTransport {
    return {
      messageBytesMax: () => this.#payloadMax(),
      publish: (subject, bytes) => {
        if (this.#connection.isUp()) this.#connection.nc.publish(PREFIX + subject, bytes);
      },
      subscribe: (subject, onBytes) => this.#subscribe(subject, onBytes),
      request: (subject, bytes, options) => this.#request(subject, bytes, options),
      respond: (subject, answer) => this.#respond(subject, answer),
      onDropped: this.#warnDropped,
    };
  }

  /** While the connection is down, that of the server before. */
  #payloadMax(): number {
    this.#payloadBytesMax = this.#connection.nc.info?.max_payload ?? this.#payloadBytesMax;
    return this.#payloadBytesMax;
  }

  #subscribe(subject: string, onBytes: (bytes: Uint8Array, subject: string) => void): () => void {
    const { nc, logger } = this.#connection;
    const subscription = nc.subscribe(PREFIX + subject, {
      callback: (error, message) => {
        if (error !== null) return;
        try {
          onBytes(message.data, message.subject.slice(PREFIX.length));
        } catch (err) {
          logger.error({ err, subject: message.subject }, "a listener on the bus failed");
        }
      },
    });
    return () => subscription.unsubscribe();
  }

  #respond(subject: string, answer: (bytes: Uint8Array) => Promise<Uint8Array>): () => void {
    // One of several gateways answers.
    const subscription = this.#connection.nc.subscribe(PREFIX + subject, {
      queue: QUEUE,
      callback: (error, message) => {
        if (error === null) void this.#reply(message, answer);
      },
    });
    return () => subscription.unsubscribe();
  }

  async #reply(message: Msg, answer: (bytes: Uint8Array) => Promise<Uint8Array>): Promise<void> {
    const bytes = await answer(message.data);
    if (!this.#connection.isUp()) return;
    const max = this.#payloadMax();
    if (bytes.length <= max) message.respond(bytes);
    else if (message.headers?.has(PARTS_ACCEPTED)) this.#parts.promise(message, bytes, max);
    else message.respond(errorAnswer(`the answer has ${bytes.length} bytes, at most ${max}`));
  }

  async #request(subject: string, bytes: Uint8Array, { timeoutMs, signal }: RequestOptions): Promise<Uint8Array> {
    const { nc } = this.#connection;
    const accepted = headers();
    accepted.set(PARTS_ACCEPTED, "1");
    const asked = nc.request(PREFIX + subject, bytes, { timeout: timeoutMs, headers: accepted }).catch((error) => {
      if (error instanceof TimeoutError || error instanceof NoRespondersError || error instanceof RequestError) {
        throw new NoAnswerError(`no answer on ${subject} within ${timeoutMs} ms`, { cause: error });
      }
      throw error;
    });
    const reply = await unlessAborted(asked, signal);
    if (!isPromised(reply)) return reply.data;
    return await fetchParts({ nc, subject, reply, timeoutMs: this.#partTimeoutMs, signal });
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(asError(signal.reason));
    signal.addEventListener("abort", abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
