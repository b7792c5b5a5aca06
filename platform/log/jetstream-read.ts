import { AckPolicy, type ConsumerConfig, DeliverPolicy, type JetStreamManager } from "@nats-io/jetstream";
import { createInbox, type Msg, nanos, nuid, type Subscription } from "@nats-io/transport-node";
import { Backoff, type BackoffLimits } from "../../domain/backoff.ts";
import { reasonOf } from "../../domain/reason.ts";
import { formatInstantUs } from "../../domain/time.ts";
import { rateLimited } from "../async/rate-limited.ts";
import { sleep } from "../async/sleep.ts";
import { type Connection, WARNINGS } from "./jetstream-connection.ts";
import { plainBytes } from "./plain-bytes.ts";
import type { LogMessage, LogReader, ReadQuery } from "./port.ts";
import { isAtLeast } from "./streams.ts";
import { anyMatches, subjectMatches } from "./subject-match.ts";

const BUFFER_MESSAGES_MAX = 512;
/** Large messages reduce the number of messages in a request, so that a reader holds about this much. */
const BUFFER_BYTES_MAX = 16 * 1_048_576;
const AVERAGE_BYTES_START = 64 * 1024;
const PULL_EXPIRES_MS = 30_000;
/** How often the server sends heartbeats while it has nothing else to send. */
const HEARTBEAT_MS = 1_000;
const SILENCE_MS_MAX = 2_500;
/** The server drops a consumer after this long without requests. */
const INACTIVE_MS = 60_000;
const RETRY: BackoffLimits = { firstMs: 40, maxMs: 1_000 };

/** Where a new consumer starts, and which of its messages were delivered before. */
interface Position {
  /** The last sequence that was accepted. */
  last: number;
  /** Messages of the snapshot that have not arrived yet; undefined unless reading the newest of each subject. */
  snapshotLeft: number | undefined;
}

/**
 * Reads a stream through short-lived pull consumers without acknowledgements. When one is lost (by a reconnect, a
 * server restart or a missed message), the next begins right after the last received message.
 */
export class JetStreamReader implements LogReader {
  readonly #connection: Connection;
  readonly #jsm: JetStreamManager;
  readonly #query: ReadQuery;
  readonly #onClose: () => void;
  readonly #limit: number;
  readonly #position: Position = { last: 0, snapshotLeft: undefined };
  #sequenceMin = 1;
  #buffer: LogMessage[] = [];
  #averageBytes = AVERAGE_BYTES_START;
  #subscription: Subscription | undefined;
  #consumer = "";
  #delivered = 0;
  #asked = 0;
  #heardAtMs = 0;
  #generation = 0;
  #opening = false;
  #watchdog: NodeJS.Timeout | undefined;
  #stopListening: () => void = () => {};
  #wake: () => void = () => {};
  #iterating = false;
  #closed = false;

  constructor(connection: Connection, jsm: JetStreamManager, query: ReadQuery, onClose: () => void) {
    this.#connection = connection;
    this.#jsm = jsm;
    this.#query = query;
    this.#onClose = onClose;
    this.#limit = query.bufferMessagesMax ?? BUFFER_MESSAGES_MAX;
  }

  start(): void {
    if (this.#query.from.kind === "sequence") this.#sequenceMin = Math.max(1, this.#query.from.sequence);
    this.#stopListening = this.#connection.onUp(() => this.#reopen());
    this.#watchdog = setInterval(() => this.#watch(), HEARTBEAT_MS / 2);
    this.#watchdog.unref();
    this.#reopen();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly LogMessage[]> {
    if (this.#iterating) throw new Error("a log reader can be iterated only once");
    this.#iterating = true;
    try {
      while (!this.#closed) {
        if (this.#buffer.length > 0) {
          const batch = this.#buffer;
          this.#buffer = [];
          this.#ask();
          yield batch;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#watchdog);
    this.#stopListening();
    this.#dropConsumer();
    this.#buffer = [];
    this.#onClose();
    this.#wake();
  }

  #dropConsumer(): void {
    this.#generation++;
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    const consumer = this.#consumer;
    this.#consumer = "";
    this.#asked = 0;
    // If this request is lost, the server drops the consumer later.
    if (consumer !== "" && this.#connection.isUp()) {
      this.#jsm.consumers.delete(this.#query.stream, consumer).catch(() => {});
    }
  }

  #reopen(): void {
    this.#dropConsumer();
    if (!this.#opening) void this.#open();
  }

  async #open(): Promise<void> {
    this.#opening = true;
    const warn = rateLimited(
      (error) =>
        this.#connection.logger.warn(`cannot read ${this.#query.stream} yet: ${reasonOf(error)}; trying again`),
      WARNINGS,
    );
    const backoff = new Backoff(RETRY, Math.random);
    while (!this.#closed) {
      try {
        if (await this.#connection.whileUp(() => this.#openConsumer(this.#generation))) break;
      } catch (error) {
        if (this.#closed || this.#connection.isClosed()) break;
        warn(error);
        await sleep(backoff.nextMs());
      }
    }
    this.#opening = false;
  }

  /** False when it is outdated by the time it exists. */
  async #openConsumer(generation: number): Promise<boolean> {
    const { stream } = this.#query;
    await this.#checkEnd();
    const config = this.#consumerConfig();
    const info = await this.#jsm.consumers.add(stream, config);
    if (this.#closed || generation !== this.#generation) {
      if (this.#connection.isUp()) this.#jsm.consumers.delete(stream, info.name).catch(() => {});
      return this.#closed;
    }
    if (config.deliver_policy === DeliverPolicy.LastPerSubject) this.#position.snapshotLeft = info.num_pending;
    this.#consumer = info.name;
    this.#delivered = 0;
    this.#subscription = this.#connection.nc.subscribe(createInbox(), {
      callback: (error, message) => {
        if (error === null && generation === this.#generation) this.#received(message);
      },
    });
    this.#ask();
    return true;
  }

  /** Fixes the position of "new", and detects a log that lost its newest messages. */
  async #checkEnd(): Promise<void> {
    const { stream, from } = this.#query;
    const first = this.#position.last === 0;
    if (first && from.kind !== "new") return;
    const { last_seq: end } = (await this.#jsm.streams.info(stream)).state;
    if (first) {
      if (this.#sequenceMin === 1) this.#sequenceMin = end + 1;
    } else if (end < this.#position.last) {
      const { logger } = this.#connection;
      logger.error(
        { stream, read: this.#position.last, end },
        "the log ends before the last message read from it: data was lost",
      );
      this.#position.last = end;
    }
  }

  #consumerConfig(): Partial<ConsumerConfig> {
    const config: Partial<ConsumerConfig> = {
      name: `weir_${nuid.next()}`,
      ack_policy: AckPolicy.None,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: nanos(INACTIVE_MS),
      ...(this.#query.headersOnly ? { headers_only: true } : {}),
      ...this.#filter(),
    };
    const { from } = this.#query;
    const { last, snapshotLeft } = this.#position;
    if (from.kind === "last-per-subject" && snapshotLeft !== 0) {
      // This policy always requires a filter.
      const filter = config.filter_subject ?? config.filter_subjects ?? ">";
      const all = typeof filter === "string" ? { filter_subject: filter } : {};
      return { ...config, ...all, deliver_policy: DeliverPolicy.LastPerSubject };
    }
    if (from.kind === "time" && last === 0) {
      return { ...config, deliver_policy: DeliverPolicy.StartTime, opt_start_time: formatInstantUs(from.atUs) };
    }
    const start = Math.max(this.#sequenceMin, last + 1);
    return { ...config, deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: start };
  }

  #filter(): Partial<ConsumerConfig> {
    const { subjects } = this.#query;
    if (subjects === undefined || subjects.length === 0) return {};
    const [only] = subjects;
    if (subjects.length === 1 && only !== undefined) return { filter_subject: only };
    // Older servers support one filter, and no server supports overlapping ones: unwanted messages are then dropped
    // here.
    const overlap = subjects.some((one, i) => subjects.some((other, k) => i !== k && subjectMatches(one, other)));
    if (overlap || !isAtLeast(this.#connection.nc.info?.version ?? "0", 2, 10)) return {};
    return { filter_subjects: [...subjects] };
  }

  #ask(): void {
    if (this.#subscription === undefined || !this.#connection.isUp()) return;
    const limit = Math.max(1, Math.min(this.#limit, Math.floor(BUFFER_BYTES_MAX / this.#averageBytes)));
    const room = limit - this.#buffer.length - this.#asked;
    if (room < Math.ceil(limit / 2)) return;
    const request = {
      batch: room,
      max_bytes: BUFFER_BYTES_MAX,
      expires: nanos(PULL_EXPIRES_MS),
      idle_heartbeat: nanos(HEARTBEAT_MS),
    };
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#query.stream}.${this.#consumer}`;
    if (this.#asked === 0) this.#heardAtMs = performance.now();
    this.#asked += room;
    this.#connection.nc.publish(subject, JSON.stringify(request), { reply: this.#subscription.getSubject() });
  }

  #received(message: Msg): void {
    this.#heardAtMs = performance.now();
    const reply = message.reply ?? "";
    if (!reply.startsWith("$JS.ACK.")) {
      this.#status(message);
      return;
    }
    const [delivered, sequence, storedAtUs] = parseReply(reply);
    if (delivered !== this.#delivered + 1) {
      this.#reopen();
      return;
    }
    this.#delivered = delivered;
    this.#asked--;
    if (this.#position.snapshotLeft) this.#position.snapshotLeft--;
    if (sequence > this.#position.last && sequence >= this.#sequenceMin) {
      this.#position.last = sequence;
      this.#keep({ subject: message.subject, sequence, storedAtUs, payload: plainBytes(message.data) });
    }
    this.#ask();
  }

  #keep(message: LogMessage): void {
    this.#averageBytes += (message.payload.length - this.#averageBytes) / 16;
    if (!anyMatches(this.#query.subjects, message.subject)) return;
    this.#buffer.push(message);
    this.#wake();
  }

  /** A heartbeat, or the end of a request with its unused rest. */
  #status(message: Msg): void {
    const code = message.headers?.code ?? 0;
    if (code === 100) return;
    const left = Number(message.headers?.get("Nats-Pending-Messages") || 0);
    const ended = code === 404 || code === 408 || (code === 409 && left > 0);
    if (!ended) {
      this.#reopen();
      return;
    }
    this.#asked = Math.max(0, this.#asked - left);
    this.#ask();
  }

  #watch(): void {
    if (this.#asked === 0 || !this.#connection.isUp()) return;
    if (performance.now() - this.#heardAtMs > SILENCE_MS_MAX) this.#reopen();
  }
}

/** Consumer sequence, stream sequence and stored time of `$JS.ACK....<stream seq>.<consumer seq>.<time>.<pending>`. */
function parseReply(reply: string): [delivered: number, sequence: number, storedAtUs: number] {
  const words = reply.split(".");
  // Newer servers add a domain and an account in front, and a random word at the end.
  const at = words.length > 9 ? 7 : 5;
  return [Number(words[at + 1]), Number(words[at]), Number((words[at + 2] ?? "").slice(0, -3))];
}
