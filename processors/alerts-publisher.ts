import type { AlertChange, AlertEvent } from "../domain/alert.ts";
import { keyHash, parseAlertChangeId } from "../domain/alert-ids.ts";
import { alertSubject } from "../domain/subjects.ts";
import { formatInstantUs } from "../domain/time.ts";
import type { Log, LogMessage } from "../platform/log/port.ts";
import { Pump } from "./pump.ts";

const SUBJECTS_REMEMBERED_MAX = 100_000;
const QUESTIONS_AT_ONCE = 256;
/** Changes that are published together. */
const LOT_MAX = 1_000;

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
  readonly #pump = new Pump(() => this.#sendLot());
  readonly #queue: AlertChange[] = [];

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

  async #sendLot(): Promise<number> {
    const { log, stream, onPublished } = this.#options;
    const lot = this.#queue.splice(0, LOT_MAX).map((change) => ({ change, subject: subjectOf(change) }));
    const newest = await this.#newestOf(lot);
    const fresh = lot.filter(({ change, subject }) => {
      const order = orderOf(change);
      const before = newest.get(subject);
      if (before?.order !== undefined && !isAfter(order, before.order)) return false;
      newest.set(subject, { rule: change.rule, sequence: before?.sequence ?? 0, order });
      return true;
    });
    const appended = await log.appendAll(
      fresh.map(({ change, subject }) => ({
        subject,
        payload: new TextEncoder().encode(JSON.stringify(toEvent(change, stream))),
        expectLastSubjectSequence: newest.get(subject)?.sequence ?? 0,
      })),
    );
    for (const [i, { change, subject }] of fresh.entries()) {
      newest.set(subject, { rule: change.rule, sequence: appended[i]?.sequence ?? 0, order: orderOf(change) });
      onPublished(change);
    }
    this.#remember(newest);
    return lot.length;
  }

  /** By subject: its newest change in the log. */
  async #newestOf(lot: readonly { readonly change: AlertChange; readonly subject: string }[]) {
    const newest = new Map<string, Newest>();
    const unknown = new Map<string, string>();
    for (const { change, subject } of lot) {
      const known = this.#newest.get(subject);
      if (known !== undefined) newest.set(subject, known);
      else unknown.set(subject, change.rule);
    }
    const asked = [...unknown];
    for (let i = 0; i < asked.length; i += QUESTIONS_AT_ONCE) {
      const some = asked.slice(i, i + QUESTIONS_AT_ONCE);
      const answers = await Promise.all(some.map(([subject]) => this.#options.log.lastFor("ALERTS", subject)));
      for (const [k, [subject, rule]] of some.entries()) newest.set(subject, newestIn(rule, answers[k]));
    }
    return newest;
  }

  #remember(newest: ReadonlyMap<string, Newest>): void {
    if (this.#newest.size >= SUBJECTS_REMEMBERED_MAX) this.#newest.clear();
    for (const [subject, each] of newest) this.#newest.set(subject, each);
  }
}

function subjectOf({ rule, key }: AlertChange): string {
  return alertSubject(rule, keyHash(key));
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

function newestIn(rule: string, message: LogMessage | undefined): Newest {
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
