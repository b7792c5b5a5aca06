import type { AlertChange, AlertEvent } from "../domain/alert.ts";
import { keyHash, parseAlertChangeId } from "../domain/alert-ids.ts";
import { alertSubject } from "../domain/subjects.ts";
import { formatInstantUs } from "../domain/time.ts";
import type { Log, LogMessage } from "../platform/log/port.ts";
import { Pump } from "./pump.ts";

const SUBJECTS_REMEMBERED_MAX = 100_000;
const SUBJECTS_AT_ONCE = 64;

/** The newest change of a subject in the log. */
interface Newest {
  readonly rule: string;
  readonly sequence: number;
  readonly order: Order | undefined;
}

/** The input of a change; later changes have later inputs. */
interface Order {
  readonly input: number;
  readonly index: number;
}

interface AlertsOptions {
  readonly log: Log;
  /** The stream of the changes' inputs. */
  readonly stream: "READINGS" | "GROUPS";
  readonly onPublished: (change: AlertChange) => void;
}

/**
 * Publishes each alert change exactly once: a change is appended behind the newest one of its subject
 * (compare-and-set). A change that is not newer has been published already.
 */
export class AlertsPublisher {
  readonly #options: AlertsOptions;
  readonly #newest = new Map<string, Newest>();
  readonly #pump = new Pump(() => this.#sendQueue());
  #queue: AlertChange[] = [];

  constructor(options: AlertsOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#pump.waiting;
  }

  push(changes: readonly AlertChange[]): void {
    for (const change of changes) this.#queue.push(change);
    this.#pump.take(changes.length);
  }

  /** Forgets the subjects of all rules except these, which are in force. */
  keepOnly(rules: ReadonlySet<string>): void {
    for (const [subject, { rule }] of this.#newest) if (!rules.has(rule)) this.#newest.delete(subject);
  }

  /** Resolves when everything pushed so far is in the log; rejects when publishing failed. */
  async drain(): Promise<void> {
    await this.#pump.drain();
  }

  async #sendQueue(): Promise<number> {
    const queue = this.#queue;
    this.#queue = [];
    const bySubject = new Map<string, AlertChange[]>();
    for (const change of queue) {
      const subject = alertSubject(change.rule, keyHash(change.key));
      const changes = bySubject.get(subject);
      if (changes) changes.push(change);
      else bySubject.set(subject, [change]);
    }
    const subjects = [...bySubject];
    for (let i = 0; i < subjects.length; i += SUBJECTS_AT_ONCE) {
      const some = subjects.slice(i, i + SUBJECTS_AT_ONCE);
      await Promise.all(some.map(([subject, changes]) => this.#publishSubject(subject, changes)));
    }
    return queue.length;
  }

  async #publishSubject(subject: string, changes: readonly AlertChange[]): Promise<void> {
    const { log, stream, onPublished } = this.#options;
    const rule = changes[0]?.rule ?? "";
    let newest = this.#newest.get(subject) ?? newestOf(rule, await log.lastFor("ALERTS", subject));
    for (const change of changes) {
      const order = orderOf(change);
      if (newest.order !== undefined && !isAfter(order, newest.order)) continue;
      const payload = new TextEncoder().encode(JSON.stringify(toEvent(change, stream)));
      const { sequence } = await log.append({ subject, payload, expectLastSubjectSequence: newest.sequence });
      newest = { rule, sequence, order };
      onPublished(change);
    }
    if (this.#newest.size >= SUBJECTS_REMEMBERED_MAX) this.#newest.clear();
    this.#newest.set(subject, newest);
  }
}

function toEvent(change: AlertChange, stream: AlertsOptions["stream"]): AlertEvent {
  const { evidence } = change;
  return {
    specversion: "1.0",
    id: change.id,
    source: `/weir/processors/${evidence.input.partition}`,
    type: "weir.alert.v1",
    subject: change.incident,
    time: formatInstantUs(change.processedAtUs),
    datacontenttype: "application/json",
    data: { ...change, evidence: { ...evidence, input: { stream, ...evidence.input } } },
  };
}

function newestOf(rule: string, message: LogMessage | undefined): Newest {
  if (message === undefined) return { rule, sequence: 0, order: undefined };
  const event: AlertEvent = JSON.parse(new TextDecoder().decode(message.payload));
  return { rule, sequence: message.sequence, order: orderOf(event.data) };
}

function orderOf(change: AlertChange): Order {
  return { input: change.evidence.input.sequence, index: parseAlertChangeId(change.id)?.index ?? 0 };
}

function isAfter(a: Order, b: Order): boolean {
  return a.input > b.input || (a.input === b.input && a.index > b.index);
}
