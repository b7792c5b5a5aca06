import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import { groupsControlSubject, readingsSubject } from "../../domain/subjects.ts";
import type { Log, LogMessage, LogReader } from "../../platform/log/port.ts";

/** A rule set in the log of a task. */
export interface LoggedRuleSet {
  readonly sequence: number;
  readonly storedAtUs: number;
  readonly rulesJson: string;
}

/** `rule_set` is field 3 of a log entry, a message. */
const RULE_SET_TAG = 26;

/** Follows the log as it grows, and collects the rule sets of every task in order. */
export class RuleSetsInLog {
  /** By task: those of partitions, then those of shares. */
  readonly byTask: readonly LoggedRuleSet[][];
  readonly #readers: LogReader[] = [];
  #following: Promise<unknown> = Promise.resolve();
  #waiting: (() => void)[] = [];

  constructor(partitions: number) {
    this.byTask = Array.from({ length: 2 * partitions }, () => []);
  }

  start(log: Log): void {
    const partitions = this.byTask.length / 2;
    const each = Array.from({ length: partitions }, (_, i) => i);
    const tasks = new Map(each.map((i) => [readingsSubject(i), i]));
    for (const i of each) tasks.set(groupsControlSubject(i), partitions + i);
    const frames = new FrameReader(new SeriesTable());
    const take = ({ subject, sequence, storedAtUs, payload }: LogMessage) => {
      const task = tasks.get(subject);
      if (task === undefined || payload[0] !== RULE_SET_TAG) return;
      const entry = frames.read(payload);
      if (entry.kind === "rule_set") this.byTask[task]?.push({ sequence, storedAtUs, rulesJson: entry.rulesJson });
    };
    const readings = log.read({ stream: "READINGS", from: { kind: "first" } });
    const subjects = each.map(groupsControlSubject);
    const groups = log.read({ stream: "GROUPS", subjects, from: { kind: "first" } });
    this.#readers.push(readings, groups);
    this.#following = Promise.all([this.#follow(readings, take), this.#follow(groups, take)]);
  }

  async stop(): Promise<void> {
    for (const reader of this.#readers) await reader.close();
    await this.#following;
  }

  /** Resolves once this is the newest rule set of every partition and of every share. */
  async until(ofPartitions: string, ofShares: string, msMax: number): Promise<void> {
    const partitions = this.byTask.length / 2;
    const isThere = () =>
      this.byTask.every((sets, task) => sets.at(-1)?.rulesJson === (task < partitions ? ofPartitions : ofShares));
    const untilMs = performance.now() + msMax;
    while (!isThere()) {
      const leftMs = untilMs - performance.now();
      if (leftMs < 0) throw new Error(`a rule set did not come into force in ${msMax} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async #follow(reader: LogReader, take: (message: LogMessage) => void): Promise<void> {
    for await (const batch of reader) {
      for (const message of batch) take(message);
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }
}
