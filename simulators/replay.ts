import type { Logger } from "pino";
import { fnv1a32 } from "../domain/partition.ts";
import { US_PER_DAY, US_PER_MS } from "../domain/time.ts";
import type { Clock } from "../platform/clock.ts";
import type { Health, Service } from "../platform/service.ts";
import { passwordOf, type ReplayConfig } from "./config.ts";
import { type ConnectionCounts, ConnectionEvents } from "./events.ts";
import { mergeByTime } from "./merge.ts";
import { MqttPublisher } from "./mqtt-publisher.ts";
import { findRecordings, type RecordedRow, RecordingError, type RowCounts, readRecording } from "./recording.ts";

export interface ReplayDeps {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Reports the progress a few times a second, and at the end. */
  readonly progress?: (report: ReplayReport) => void;
}

export interface ReplayReport extends Readonly<ConnectionCounts>, Readonly<RowCounts> {
  /** Whether the whole recording was sent and acknowledged. */
  readonly complete: boolean;
  readonly files: number;
  readonly devices: number;
  /** Rows passed to a connection, each as one message. */
  readonly rows: number;
  /** Cells of these rows. */
  readonly readings: number;
  readonly acknowledged: number;
  /** Messages resent after a lost connection. */
  readonly resent: number;
  /** Rows that are earlier than a previous row of the same device. */
  readonly rowsOutOfOrder: number;
  /** How many times the recording was played to its end. */
  readonly loops: number;
  /** Event times of the first and the newest row sent. */
  readonly firstAtUs: number;
  readonly lastAtUs: number;
  readonly elapsedMs: number;
}

export interface ReplayService extends Service {
  report(): ReplayReport;
  /** Resolves at the end of the recording or after `stop`; rejects with `RecordingError` for an unusable file. */
  readonly done: Promise<ReplayReport>;
}

const DEVICES_MAX = 100_000;
const PROGRESS_EVERY_MS = 250;
const SLEEP_MS_MAX = 60_000;

/** Publishes recordings to `sensors/<site>/<device>/telemetry`, QoS 1. Nothing is lost while the broker is down. */
export async function startReplay(config: ReplayConfig, deps: ReplayDeps): Promise<ReplayService> {
  if (config.columns.tags.length > 0) {
    throw new RecordingError(
      "columns.tags is for back-tests: a replay publishes to sensors/<site>/<device>/telemetry, which carries no other " +
        "tag than the site; list these columns under `ignore`, or replay each of their values with a `site` of its own",
    );
  }
  const files = await findRecordings(config.paths);
  if (files.length > config.files_max)
    throw new RecordingError(`${files.length} files; files_max is ${config.files_max}`);
  const replay = new Replay(config, deps, files);
  replay.start();
  return replay;
}

class Replay implements ReplayService {
  readonly name = "replay";
  readonly #config: ReplayConfig;
  readonly #deps: ReplayDeps;
  readonly #files: readonly string[];
  readonly #publishers: MqttPublisher[];
  readonly #connections: ConnectionCounts = { connected: 0, disconnected: 0, refused: 0 };
  readonly #unread: RowCounts = { rowsUnreadable: 0, rowsEmpty: 0 };
  /** The connection and the newest time of each device. */
  readonly #devices = new Map<
    string,
    { readonly publisher: MqttPublisher; readonly topic: string; newestUs: number }
  >();
  #rows = 0;
  #readings = 0;
  #acknowledged = 0;
  #rowsOutOfOrder = 0;
  #loops = 0;
  #firstAtUs = Number.NaN;
  #lastAtUs = Number.NaN;
  /** The smallest step between two times in the recording, used as the duration of its last row. */
  #stepUs = US_PER_DAY;
  #lengthUs = 0;
  /** Added to the times in the recording. */
  #shiftUs = 0;
  #complete = false;
  #startedUs = 0;
  #endedUs = 0;
  #progressTimer: NodeJS.Timeout | undefined;
  readonly #stopping = new AbortController();
  #done: Promise<ReplayReport> | undefined;

  constructor(config: ReplayConfig, deps: ReplayDeps, files: readonly string[]) {
    this.#config = config;
    this.#deps = deps;
    this.#files = files;
    const events = new ConnectionEvents(deps.logger, this.#connections);
    const run = crypto.randomUUID().slice(0, 8);
    const { url, username, inflight_max: inFlightMax } = config;
    const password = passwordOf(config);
    this.#publishers = Array.from(
      { length: config.connections },
      (_, i) => new MqttPublisher({ url, username, password, inFlightMax, clientId: `replay-${run}-${i}` }, events),
    );
  }

  get done(): Promise<ReplayReport> {
    return this.#done ?? Promise.reject(new Error("not started"));
  }

  start(): void {
    this.#startedUs = this.#deps.clock.nowUs();
    for (const publisher of this.#publishers) publisher.start();
    const { progress } = this.#deps;
    if (progress !== undefined) this.#progressTimer = setInterval(() => progress(this.report()), PROGRESS_EVERY_MS);
    this.#done = this.#run();
    // The log shows the failure even if the caller does not await `done`.
    this.#done.catch((error: unknown) => this.#deps.logger.error({ err: error }, "the replay failed"));
  }

  health(): Health {
    const down = this.#publishers.find((publisher) => !publisher.connected);
    return down === undefined || this.#complete
      ? { ready: true, detail: "" }
      : { ready: false, detail: `not connected to ${this.#config.url}: ${down.why}` };
  }

  report(): ReplayReport {
    let resent = 0;
    for (const publisher of this.#publishers) resent += publisher.resent;
    const untilUs = this.#endedUs === 0 ? this.#deps.clock.nowUs() : this.#endedUs;
    return {
      ...this.#connections,
      ...this.#unread,
      complete: this.#complete,
      files: this.#files.length,
      devices: this.#devices.size,
      rows: this.#rows,
      readings: this.#readings,
      acknowledged: this.#acknowledged,
      resent,
      rowsOutOfOrder: this.#rowsOutOfOrder,
      loops: this.#loops,
      firstAtUs: this.#firstAtUs,
      lastAtUs: this.#lastAtUs,
      elapsedMs: (untilUs - this.#startedUs) / US_PER_MS,
    };
  }

  async stop(): Promise<void> {
    if (!this.#stopping.signal.aborted) {
      this.#stopping.abort();
      const timer = setTimeout(() => this.#stopPublishers(), this.#config.drain / US_PER_MS);
      await this.#done?.catch(() => undefined);
      clearTimeout(timer);
    }
    await this.#done?.catch(() => undefined);
  }

  async #run(): Promise<ReplayReport> {
    try {
      do await this.#playOnce();
      while (this.#config.loop && this.#shiftForNextLoop());
      for (const publisher of this.#publishers) await publisher.drained();
      this.#complete = !this.#stopping.signal.aborted && this.#acknowledged === this.#rows;
    } finally {
      this.#endedUs = this.#deps.clock.nowUs();
      clearInterval(this.#progressTimer);
      this.#stopPublishers();
    }
    const report = this.report();
    this.#deps.progress?.(report);
    this.#deps.logger.info({ report }, "the replay ended");
    return report;
  }

  #stopPublishers(): void {
    for (const publisher of this.#publishers) publisher.stop();
  }

  async #playOnce(): Promise<void> {
    const { signal } = this.#stopping;
    const recordings = this.#files.map((file) => readRecording(file, this.#config.columns, this.#unread));
    for await (const row of mergeByTime(recordings)) {
      if (Number.isNaN(this.#firstAtUs)) this.#shiftUs = this.#firstShiftUs(row.atUs);
      const atUs = row.atUs + this.#shiftUs;
      this.#noteTime(atUs);
      await this.#untilDue(atUs);
      const target = this.#targetOf(row.device);
      if (!target.publisher.hasRoom()) await target.publisher.room();
      if (signal.aborted) return;
      if (atUs < target.newestUs) this.#rowsOutOfOrder += 1;
      else target.newestUs = atUs;
      this.#send(target, row, atUs);
    }
    this.#loops += 1;
  }

  /** Whole days, so that the hour of the day is unchanged. */
  #firstShiftUs(atUs: number): number {
    const { not_before: notBeforeUs } = this.#config;
    return notBeforeUs === undefined ? 0 : Math.max(0, Math.ceil((notBeforeUs - atUs) / US_PER_DAY)) * US_PER_DAY;
  }

  /** Moves event times forward for the next loop; returns false if the recording must end here. */
  #shiftForNextLoop(): boolean {
    if (this.#stopping.signal.aborted || this.#rows === 0) return false;
    if (this.#loops === 1) this.#lengthUs = this.#lastAtUs - this.#firstAtUs + this.#stepUs;
    this.#shiftUs += this.#lengthUs;
    // Weir refuses readings from the future.
    if (this.#lastAtUs + this.#lengthUs <= this.#deps.clock.nowUs()) return true;
    this.#deps.logger.warn({ loops: this.#loops }, "the next loop would reach the present; the replay ends here");
    return false;
  }

  #send(target: { readonly publisher: MqttPublisher; readonly topic: string }, row: RecordedRow, atUs: number): void {
    const payload = JSON.stringify({ ts: atUs / US_PER_MS, ...row.values });
    target.publisher.publish(target.topic, payload, () => {
      this.#acknowledged += 1;
    });
    this.#rows += 1;
    for (const _ in row.values) this.#readings += 1;
  }

  #noteTime(atUs: number): void {
    if (Number.isNaN(this.#firstAtUs)) this.#firstAtUs = atUs;
    const stepUs = atUs - this.#lastAtUs;
    if (stepUs > 0 && stepUs < this.#stepUs) this.#stepUs = stepUs;
    if (!(atUs <= this.#lastAtUs)) this.#lastAtUs = atUs;
  }

  async #untilDue(atUs: number): Promise<void> {
    const { speed } = this.#config;
    if (speed === "max") return;
    const dueUs = this.#startedUs + (atUs - this.#firstAtUs) / speed;
    for (;;) {
      const waitMs = (dueUs - this.#deps.clock.nowUs()) / US_PER_MS;
      if (waitMs <= 0 || this.#stopping.signal.aborted) return;
      await this.#sleep(Math.min(waitMs, SLEEP_MS_MAX));
    }
  }

  #sleep(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      const timer = setTimeout(wake, ms);
      signal.addEventListener("abort", wake, { once: true });
      function wake(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        resolve();
      }
    });
  }

  #targetOf(device: string): { readonly publisher: MqttPublisher; readonly topic: string; newestUs: number } {
    const known = this.#devices.get(device);
    if (known !== undefined) return known;
    // Round robin while the table has room for devices, which spreads a few devices best; by hash beyond that.
    const remembered = this.#devices.size < DEVICES_MAX;
    const turn = (remembered ? this.#devices.size : fnv1a32(device)) % this.#publishers.length;
    const publisher = this.#publishers[turn];
    if (publisher === undefined) throw new Error(`no connection ${turn}`);
    const topic = `sensors/${topicLevel(this.#config.site)}/${topicLevel(device)}/telemetry`;
    const target = { publisher, topic, newestUs: Number.NEGATIVE_INFINITY };
    if (remembered) this.#devices.set(device, target);
    return target;
  }
}

/** A device name may contain characters that a topic level must not. */
function topicLevel(name: string): string {
  return name.replace(/[/+#\0]/g, "_");
}
