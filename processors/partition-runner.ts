import { FrameReader, type LogEntry, SeriesTable } from "../domain/frame-reader.ts";
import { encodeRuleSet, encodeTick } from "../domain/frame-writer.ts";
import { US_PER_MS } from "../domain/time.ts";
import { Step } from "../engine/step.ts";
import {
  entrySubjects,
  stepOptions,
  type TaskInput,
  taskInput,
  type WantedRules,
  wantedOf,
} from "../engine/tasks/task-input.ts";
import type { Clock } from "../platform/clock.ts";
import { newestSequence } from "../platform/log/newest-sequence.ts";
import { type Log, LogClosedError, type LogMessage, type LogReader } from "../platform/log/port.ts";
import { checkedRuleSet } from "../rule-language/spec/read-rule-set.ts";
import type { RuleSpec } from "../rule-language/spec/rule-spec.ts";
import { AlertsPublisher } from "./alerts-publisher.ts";
import { Checkpoints, freeze } from "./checkpoints.ts";
import type { ProcessorsConfig } from "./config.ts";
import { EntriesAside } from "./entries-aside.ts";
import type { ProcessorEvents } from "./events.ts";
import { GroupForwarder } from "./group-forwarder.ts";
import { Pace } from "./pace.ts";
import { publishLedgers } from "./publish-ledgers.ts";
import { NOTHING_SAVED, Saves, type SaveTimes } from "./saves.ts";
import { TimeSlice } from "./time-slice.ts";
import { WindowsPublisher } from "./windows-publisher.ts";

export type { WantedRules } from "../engine/tasks/task-input.ts";

export interface PartitionOptions {
  /** With P partitions: 0 to P - 1 process a partition, P to 2P - 1 a share of the groups over several devices. */
  readonly task: number;
  readonly partitions: number;
  readonly config: ProcessorsConfig;
  readonly log: Log;
  readonly clock: Clock;
  readonly events: ProcessorEvents;
  /** Undefined: the rules in force according to the log. */
  readonly rules: () => WantedRules | undefined;
}

/** When more results wait to be published, reading the log pauses. */
const WAITING_RESULTS_MAX = 50_000;

/**
 * One life of a task, starting from a checkpoint: read the log, step, publish, save. It ends by `stop` or with an
 * error; then its owner starts another life.
 */
export class PartitionRunner {
  readonly #options: PartitionOptions;
  readonly #input: TaskInput;
  readonly #step: Step;
  readonly #frames: FrameReader;
  readonly #checkpoints: Checkpoints;
  readonly #alerts: AlertsPublisher;
  readonly #aside: EntriesAside;
  readonly #forwarder: GroupForwarder | undefined;
  readonly #pace: Pace | undefined;
  #windows: WindowsPublisher | undefined;
  #reader: LogReader | undefined;
  #specs: readonly RuleSpec[] = [];
  #sequence = 0;
  #savedSequence = 0;
  #catchUpTo = 0;
  #active = false;
  #ticking = false;
  #stopped = false;
  #asked = "";
  #onReady: (() => void) | undefined;
  /** Users of the step, one at a time: a batch, or a snapshot. */
  #turn: Promise<void> = Promise.resolve();
  readonly #saves: Saves;
  #failed: ((error: unknown) => void) | undefined;

  constructor(options: PartitionOptions) {
    const { log, task, partitions, config, events } = options;
    this.#options = options;
    this.#input = taskInput(task, partitions);
    const table = new SeriesTable({ keepsSeries: false });
    this.#frames = new FrameReader(table);
    this.#step = new Step(table, {
      ...stepOptions(this.#input),
      onSeriesForgotten: (id) => {
        this.#forwarder?.forget(id);
        table.release(id);
      },
    });
    this.#checkpoints = new Checkpoints(log, task);
    this.#saves = new Saves({
      intervalMs: config.checkpoint / US_PER_MS,
      save: () => this.#save(),
      onFailed: (error) => this.#failed?.(error),
    });
    const onSetAside = (sequence: number, error: unknown) => events.entrySetAside(task, sequence, error);
    this.#aside = new EntriesAside({ log, task, onSetAside });
    this.#alerts = new AlertsPublisher({ log, stream: this.#input.stream, onPublished: events.alertPublished });
    if (this.#input.kind === "partition") {
      const { partition } = this.#input;
      const onForwarded = events.readingsForwarded;
      this.#forwarder = new GroupForwarder({ log, partition, shares: partitions, table, onForwarded });
      this.#pace = new Pace(log.bus, partition, partitions);
    }
  }

  /** What it has found out about the rules in force. */
  get found(): Step["found"] {
    return this.#step.found;
  }

  /** The rules in force. */
  get specs(): readonly RuleSpec[] {
    return this.#specs;
  }

  /** Runs until stopped. `onReady`: it has caught up with the log, and the wanted rules are in force. */
  async run(onReady: () => void): Promise<void> {
    this.#onReady = onReady;
    this.#pace?.start();
    try {
      await this.#live();
    } finally {
      this.#pace?.stop();
    }
  }

  async #live(): Promise<void> {
    const { config } = this.#options;
    const reader = await this.#open();
    const failure = new Promise<never>((_, reject) => {
      this.#failed = reject;
    });
    const ticks = setInterval(() => this.#guard(this.#tick()), config.tick / US_PER_MS);
    this.#saves.start();
    try {
      await Promise.race([this.#consume(reader), failure]);
    } finally {
      clearInterval(ticks);
      this.#saves.stop();
      this.#failed = undefined;
      await reader.close();
    }
    if (!this.#stopped) throw new LogClosedError("the log ended");
    await this.#saves.save();
  }

  /**
   * Ends `run` after everything that was read is processed, published and saved. While the task catches up, it ends
   * with the entry that it is at.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#pace?.stop();
    await this.#reader?.close();
  }

  /** Asks for the wanted rules if they are not in force. */
  async offerRules(): Promise<void> {
    if (this.#isBehind) return;
    const wanted = wantedOf(this.#input, this.#options.rules(), this.#specs.length > 0);
    if (wanted === undefined || this.#step.version === wanted.version) {
      this.#onReady?.();
      this.#onReady = undefined;
      return;
    }
    if (this.#asked === wanted.version) return;
    this.#asked = wanted.version;
    const payload = encodeRuleSet({ version: wanted.version, rulesJson: JSON.stringify(wanted.specs) });
    await this.#options.log.append({ subject: this.#input.control, payload });
  }

  async #open(): Promise<LogReader> {
    const { log, task, events, config } = this.#options;
    const { stream, subjects } = this.#input;
    const onPublished = events.windowsPublished;
    const { results_per_frame_max: resultsPerFrameMax } = config;
    // At once: after a death, each question to the log is time without results.
    const [{ checkpoint, problem }, windows, newest] = await Promise.all([
      this.#checkpoints.load(),
      WindowsPublisher.open({ log, task, resultsPerFrameMax, onPublished }),
      newestSequence(log, stream, entrySubjects(this.#input)),
      this.#aside.load(),
    ]);
    this.#windows = windows;
    this.#catchUpTo = newest;
    if (problem) events.checkpointUnusable(task, problem);
    if (checkpoint) {
      const slice = new TimeSlice();
      for (const _ of this.#step.restoring(this.#takeSpecs(checkpoint.values))) if (slice.over) await slice.rest();
      this.#sequence = checkpoint.sequence;
      this.#savedSequence = checkpoint.sequence;
    }
    if (this.#forwarder?.mustOpen) await this.#forwarder.open();
    const from = { kind: "sequence", sequence: this.#sequence + 1 } as const;
    this.#reader = log.read({ stream, subjects, from });
    if (this.#stopped) await this.#reader.close();
    else await this.#caughtUp();
    return this.#reader;
  }

  async #consume(reader: LogReader): Promise<void> {
    for await (const batch of reader) {
      const slice = new TimeSlice();
      for (let next = 0; next < batch.length && !this.#leaves; ) {
        if (this.#isPaced) await this.#pace?.waitFor((batch[next] as LogMessage).storedAtUs);
        next = await this.#inTurn(() => this.#processSome(batch, next, slice));
        await this.#caughtUp();
        if (this.#waiting > WAITING_RESULTS_MAX) await this.#drain();
        if (slice.over) await slice.rest();
      }
    }
    await this.#drain();
  }

  /** While it catches up, a task that is given away leaves the rest of a batch to its next owner. */
  get #leaves(): boolean {
    return this.#stopped && this.#isBehind;
  }

  /** Whether it still replays what was in the log when this life began. */
  get #isBehind(): boolean {
    return this.#sequence < this.#catchUpTo;
  }

  get #waiting(): number {
    return (this.#windows?.waiting ?? 0) + this.#alerts.waiting + (this.#forwarder?.waiting ?? 0);
  }

  /**
   * Processes entries of a batch from an index on, for a slice of time. Resolves to the index of the next one. While a
   * task catches up, a batch may take seconds, and its state must be saved in between.
   */
  async #processSome(batch: readonly LogMessage[], from: number, slice: TimeSlice): Promise<number> {
    const { task, events, clock } = this.#options;
    const before = this.#step.ledger;
    const refused = this.#step.refusals;
    let next = from;
    do {
      const settingAside = this.#processOrSetAside(batch[next++] as LogMessage);
      if (settingAside !== undefined) await settingAside;
      if (this.#forwarder?.mustOpen) await this.#forwarder.open();
    } while (next < batch.length && !slice.over && !this.#mustWait(batch[next] as LogMessage));
    const lagUs = clock.nowUs() - (batch[next - 1] as LogMessage).storedAtUs;
    events.entriesProcessed(next - from);
    events.rulesQuarantined(task, this.#step.quarantined);
    events.readingsRefused(task, this.#step.refusals - refused);
    events.ledgerMoved(before, this.#step.ledger);
    events.figuresMoved(task, { lagUs, keys: this.#step.keyCount });
    return next;
  }

  get #isPaced(): boolean {
    return this.#isBehind && this.#forwarder?.forwards === true;
  }

  #mustWait({ storedAtUs }: LogMessage): boolean {
    return this.#isPaced && this.#pace?.holds(storedAtUs) === true;
  }

  /** Undefined when the entry is processed. */
  #processOrSetAside(message: LogMessage): Promise<void> | undefined {
    const before = this.#sequence;
    this.#sequence = message.sequence;
    if (this.#aside.has(message.sequence)) return undefined;
    let entry: LogEntry;
    try {
      entry = this.#frames.read(message.payload);
    } catch (error) {
      return this.#aside.add(message, error);
    }
    try {
      this.#process(entry, message);
      return undefined;
    } catch (error) {
      this.#sequence = before;
      return this.#startAgain(message, error);
    }
  }

  /** The state is half changed, so the task starts again from its checkpoint. */
  async #startAgain(message: LogMessage, error: unknown): Promise<never> {
    await this.#aside.failed(message, error);
    throw error;
  }

  #process(entry: LogEntry, { sequence, storedAtUs }: LogMessage): void {
    const { task } = this.#options;
    const output = this.#step.apply(entry, { task, sequence, storedAtUs });
    if (entry.kind === "readings") this.#forwarder?.push(sequence, entry, storedAtUs);
    else if (entry.kind === "rule_set") this.#setSpecs(entry.rulesJson);
    this.#windows?.push(sequence, output.results);
    this.#alerts.push(output.alerts);
    this.#active ||= entry.kind !== "tick";
  }

  #setSpecs(rulesJson: string): void {
    const specs = checkedRuleSet(rulesJson);
    this.#specs = specs;
    this.#forwarder?.setRules(specs);
    this.#alerts.keepOnly(new Set(specs.map(({ id }) => id)));
  }

  async #caughtUp(): Promise<void> {
    if (this.#isBehind) return;
    this.#saves.caughtUp();
    this.#pace?.caughtUp();
    await this.offerRules();
  }

  /** Advances time when the task's input is quiet and something is due. */
  async #tick(): Promise<void> {
    const { log, clock } = this.#options;
    // Shares publish none: their readings come from partitions, which publish them.
    if (this.#input.kind === "partition") publishLedgers(this.#step, log.bus);
    const quiet = !this.#active;
    this.#active = false;
    if (!quiet) return;
    this.#nothingWaits();
    if (this.#ticking) return;
    if (this.#isBehind || this.#step.nextDueUs > clock.nowUs()) return;
    // One at a time: while the log is away, ticks must not pile up.
    this.#ticking = true;
    await log.append({ subject: this.#input.control, payload: encodeTick() });
    this.#ticking = false;
  }

  /** The lag of the last batch must not stand while nothing comes. */
  #nothingWaits(): void {
    const { task, events, log } = this.#options;
    if (this.#isBehind || this.#waiting > 0 || !log.healthy()) return;
    events.figuresMoved(task, { lagUs: 0, keys: this.#step.keyCount });
  }

  async #save(): Promise<SaveTimes> {
    let frozenMs = 0;
    let sequence = this.#savedSequence;
    const state = await this.#inTurn(async () => {
      if (this.#sequence === this.#savedSequence || this.#windows?.completing) return undefined;
      sequence = this.#sequence;
      const startedMs = performance.now();
      const frozen = await freeze(this.#values());
      frozenMs = performance.now() - startedMs;
      return frozen;
    });
    if (state === undefined) return NOTHING_SAVED;
    // Results of the state must be published before the state counts.
    await this.#drain();
    const writingMs = performance.now();
    await this.#checkpoints.save({ sequence, state });
    this.#savedSequence = sequence;
    this.#options.events.checkpointSaved(this.#options.task, { bytes: state.bytes, frozenMs });
    return { busyMs: state.busyMs, writtenMs: performance.now() - writingMs };
  }

  *#values(): Iterable<unknown> {
    yield this.#specs;
    yield* this.#step.snapshot();
  }

  /** Takes the first value of `#values`; the rest belongs to the step. */
  #takeSpecs(values: Iterable<unknown>): Iterable<unknown> {
    const rest = values[Symbol.iterator]();
    const { value } = rest.next();
    // Fields that the writing version did not have get their defaults.
    this.#specs = checkedRuleSet(JSON.stringify(value));
    this.#forwarder?.setRules(this.#specs);
    return { [Symbol.iterator]: () => rest };
  }

  async #drain(): Promise<void> {
    await this.#forwarder?.drain();
    await this.#windows?.drain();
    await this.#alerts.drain();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  #guard(work: Promise<void>): void {
    work.catch((error: unknown) => this.#failed?.(error));
  }
}
