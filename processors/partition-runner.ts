import { FrameReader, type LogEntry, SeriesTable } from "../domain/frame-reader.ts";
import { encodeRuleSet, encodeTick } from "../domain/frame-writer.ts";
import { readingsSubject } from "../domain/subjects.ts";
import type { Clock } from "../platform/clock.ts";
import { type Log, LogClosedError, type LogMessage, type LogReader } from "../platform/log/port.ts";
import { AlertsPublisher } from "./alerts-publisher.ts";
import { Checkpoints, freeze } from "./checkpoints.ts";
import type { ProcessorsConfig } from "./config.ts";
import type { ProcessorEvents } from "./events.ts";
import type { RuleSpec } from "./rules/rule-spec.ts";
import { Step } from "./step/step.ts";
import { WindowsPublisher } from "./windows-publisher.ts";

export interface WantedRules {
  readonly specs: readonly RuleSpec[];
  readonly version: string;
}

export interface PartitionOptions {
  readonly partition: number;
  readonly config: ProcessorsConfig;
  readonly log: Log;
  readonly clock: Clock;
  readonly events: ProcessorEvents;
  readonly rules: () => WantedRules;
}

/** Results that may wait to be published before reading the log pauses. */
const WAITING_RESULTS_MAX = 50_000;

/**
 * One life of a partition's processor, from a checkpoint on: read the log, step, publish, save. It ends by `stop` or
 * with an error; whoever runs it then begins another life.
 */
export class PartitionRunner {
  readonly #options: PartitionOptions;
  readonly #step: Step;
  readonly #frames: FrameReader;
  readonly #checkpoints: Checkpoints;
  readonly #alerts: AlertsPublisher;
  #windows: WindowsPublisher | undefined;
  #reader: LogReader | undefined;
  #sequence = 0;
  #savedSequence = 0;
  #catchUpTo = 0;
  #active = false;
  #ticking = false;
  #inTurn = false;
  #stopped = false;
  #asked = "";
  #onReady: (() => void) | undefined;
  #saving: Promise<void> = Promise.resolve();
  #failed: ((error: unknown) => void) | undefined;

  constructor(options: PartitionOptions) {
    const { log, partition, events } = options;
    this.#options = options;
    const table = new SeriesTable();
    this.#frames = new FrameReader(table);
    this.#step = new Step(table);
    this.#checkpoints = new Checkpoints(log, partition);
    this.#alerts = new AlertsPublisher(log, events.alertPublished);
  }

  /** Runs until stopped. `onReady`: the log was caught up with, and the wanted rules are in force. */
  async run(onReady: () => void): Promise<void> {
    this.#onReady = onReady;
    const { config } = this.#options;
    const reader = await this.#open();
    const failure = new Promise<never>((_, reject) => {
      this.#failed = reject;
    });
    const timers = [
      setInterval(() => this.#guard(this.#tick()), config.tickMs),
      setInterval(() => this.#guard(this.#saveInTurn()), config.checkpointMs),
    ];
    try {
      await Promise.race([this.#consume(reader), failure]);
    } finally {
      for (const timer of timers) clearInterval(timer);
      await reader.close();
    }
    if (!this.#stopped) throw new LogClosedError("the log gives no more messages");
    await this.#save();
  }

  /** Ends `run`, after what was read is processed, published and saved. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#reader?.close();
  }

  /** Asks for the wanted rules, when they are not in force. */
  async offerRules(): Promise<void> {
    const { log, partition } = this.#options;
    const { specs, version } = this.#options.rules();
    if (this.#sequence < this.#catchUpTo) return;
    if (this.#step.version === version) {
      this.#onReady?.();
      this.#onReady = undefined;
      return;
    }
    if (this.#asked === version) return;
    this.#asked = version;
    const payload = encodeRuleSet({ version, rulesJson: JSON.stringify(specs) });
    await log.append({ subject: readingsSubject(partition), payload });
  }

  async #open(): Promise<LogReader> {
    const { log, partition, events, config } = this.#options;
    const { checkpoint, problem } = await this.#checkpoints.load();
    if (problem) events.checkpointUnusable(partition, problem);
    if (checkpoint) {
      this.#step.restore(checkpoint.snapshot);
      this.#sequence = checkpoint.sequence;
      this.#savedSequence = checkpoint.sequence;
    }
    const onPublished = events.windowsPublished;
    const { resultsPerFrameMax } = config;
    this.#windows = await WindowsPublisher.open({ log, partition, resultsPerFrameMax, onPublished });
    const subject = readingsSubject(partition);
    this.#catchUpTo = (await log.lastFor("READINGS", subject))?.sequence ?? 0;
    const from = { kind: "sequence", sequence: this.#sequence + 1 } as const;
    this.#reader = log.read({ stream: "READINGS", subjects: [subject], from });
    if (this.#stopped) await this.#reader.close();
    else await this.#caughtUp();
    return this.#reader;
  }

  async #consume(reader: LogReader): Promise<void> {
    for await (const batch of reader) {
      this.#processBatch(batch);
      await this.#caughtUp();
      if ((this.#windows?.waiting ?? 0) + this.#alerts.waiting > WAITING_RESULTS_MAX) await this.#drain();
    }
    await this.#drain();
  }

  #processBatch(batch: readonly LogMessage[]): void {
    const { partition, events, clock } = this.#options;
    const before = { ...this.#step.ledger };
    for (const message of batch) this.#process(message);
    const lagUs = clock.nowUs() - (batch.at(-1)?.storedAtUs ?? 0);
    events.entriesProcessed(batch.length);
    events.ledgerMoved(before, this.#step.ledger);
    events.figuresMoved(partition, { lagUs, keys: this.#step.keyCount });
  }

  #process(message: LogMessage): void {
    const { partition } = this.#options;
    const { sequence, storedAtUs } = message;
    const entry = this.#decode(message);
    if (entry !== undefined) {
      const output = this.#step.apply(entry, { partition, sequence, storedAtUs });
      this.#windows?.push(sequence, output.windows);
      this.#alerts.push(output.alerts);
      this.#active ||= entry.kind !== "tick";
    }
    this.#sequence = sequence;
  }

  #decode(message: LogMessage): LogEntry | undefined {
    try {
      return this.#frames.read(message.payload);
    } catch (error) {
      this.#options.events.entryUnreadable(this.#options.partition, message.sequence, error);
      return undefined;
    }
  }

  async #caughtUp(): Promise<void> {
    if (this.#sequence >= this.#catchUpTo) await this.offerRules();
  }

  /** Carries time forward when the partition is quiet and something is due. */
  async #tick(): Promise<void> {
    const { log, partition, clock } = this.#options;
    const quiet = !this.#active;
    this.#active = false;
    if (!quiet || this.#ticking) return;
    if (this.#sequence < this.#catchUpTo || this.#step.nextDueUs > clock.nowUs()) return;
    // One at a time: while the log is away, ticks must not pile up.
    this.#ticking = true;
    await log.append({ subject: readingsSubject(partition), payload: encodeTick() });
    this.#ticking = false;
  }

  /** Leaves this turn out when the save of an earlier one still goes on. */
  async #saveInTurn(): Promise<void> {
    if (this.#inTurn) return;
    this.#inTurn = true;
    await this.#save();
    this.#inTurn = false;
  }

  /** Saves the state, after a save that is under way. */
  async #save(): Promise<void> {
    await this.#saving;
    this.#saving = this.#saveNow();
    await this.#saving;
  }

  async #saveNow(): Promise<void> {
    const sequence = this.#sequence;
    if (sequence === this.#savedSequence || this.#windows?.mending) return;
    const state = freeze(this.#step.snapshot());
    // What the state has seen must be published before the state counts.
    await this.#drain();
    const bytes = await this.#checkpoints.save({ sequence, state });
    this.#savedSequence = sequence;
    this.#options.events.checkpointSaved(this.#options.partition, bytes);
  }

  async #drain(): Promise<void> {
    await this.#windows?.drain();
    await this.#alerts.drain();
  }

  #guard(work: Promise<void>): void {
    work.catch((error: unknown) => this.#failed?.(error));
  }
}
