import { WINDOWS_PER_KEY_MAX } from "../../rule-language/spec/window-cost.ts";
import { Accumulators, NOT_EMITTED } from "../aggregates/accumulators.ts";
import type { Point } from "../aggregates/folds.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import { ARRIVED, KeyClocks, NEWEST, NEXT, OWN, WATERMARK } from "./key-clocks.ts";
import { RecordPool } from "./record-pool.ts";
import {
  CORRECTION_WAIT_US,
  type Fate,
  LATE_APPLIED,
  LATE_DROPPED,
  ON_TIME,
  type OnWindow,
  RETRACTED,
  SIZES_RETAINED,
  type WindowOptions,
  type Windows,
} from "./windows.ts";

export interface SessionOptions extends WindowOptions {
  readonly gapUs: number;
}

const CORRECT_BY = OWN;
/** The earliest end of the sessions that wait for a correction or retraction. */
const DIRTY_END = OWN + 1;
const OWN_COLUMNS = 2;
const KEYS_PER_PAUSE = 500;

interface Session {
  firstUs: number;
  lastUs: number;
  record: number;
  /** The last revision emitted for this start, and the end emitted with it. Checkpoints store it under this name. */
  revision: number;
  emittedEndUs: number;
  open: boolean;
  dirty: boolean;
}

/** A start that was emitted but no longer starts a session. */
interface Retraction {
  readonly startUs: number;
  readonly revision: number;
  /** The end that was emitted. */
  readonly emittedEndUs: number;
}

/** Windows of readings less than a gap apart. */
export class SessionWindows implements Windows {
  readonly accumulators: Accumulators;
  readonly #pool: RecordPool;
  readonly #options: SessionOptions;
  readonly #onWindow: OnWindow;
  readonly #keys: KeyClocks;
  /** By key, earliest first: open and retained sessions. */
  readonly #sessions: Session[][] = [];
  readonly #retractions: Retraction[][] = [];
  /** By key: the newest reading of the sessions that were dropped. */
  readonly #left: (Point | undefined)[] = [];

  constructor(options: SessionOptions, onWindow: OnWindow) {
    this.#options = options;
    this.#onWindow = onWindow;
    this.accumulators = new Accumulators(options.plan);
    this.#pool = new RecordPool(this.accumulators);
    this.#keys = new KeyClocks(OWN_COLUMNS, options.latenessUs);
  }

  addKey(key: number): void {
    this.#sessions[key] = [];
    this.#retractions[key] = [];
    this.#left[key] = undefined;
    this.#keys.begin(key);
  }

  freeKey(key: number): void {
    for (const { record } of this.#sessions[key] as Session[]) this.#pool.release(record);
    this.addKey(key);
  }

  /** The earliest time at which a duplicate matters; Infinity if none. */
  oldestUs(key: number): number {
    const oldest = (this.#sessions[key] as Session[])[0];
    return oldest === undefined ? Number.POSITIVE_INFINITY : oldest.firstUs - this.#options.gapUs;
  }

  watermarkUs(key: number): number {
    return this.#keys.watermarkUs(key);
  }

  add(key: number, atUs: number, value: number, text: string | undefined, nowUs: number): Fate {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    if (atUs > (keys[o + NEWEST] as number)) {
      keys[o + NEWEST] = atUs;
      keys[o + ARRIVED] = nowUs;
      const watermarkUs = atUs - this.#options.latenessUs;
      if (watermarkUs > (keys[o + WATERMARK] as number)) this.#moveTo(key, watermarkUs);
    }
    const { gapUs, late } = this.#options;
    const watermarkUs = keys[o + WATERMARK] as number;
    const joined = this.#sessionsAround(key, atUs);
    const endUs = Math.max(atUs, joined.at(-1)?.lastUs ?? atUs) + gapUs;
    const isLate = endUs <= watermarkUs || joined.some(({ open }) => !open);
    const forgottenUs = watermarkUs - SIZES_RETAINED * gapUs;
    if (isLate && (late === "drop" || (joined.length === 0 && endUs <= forgottenUs))) return LATE_DROPPED;
    if (joined.length === 0 && (this.#sessions[key] as Session[]).length >= WINDOWS_PER_KEY_MAX) return LATE_DROPPED;
    const session = this.#join(key, joined, atUs, nowUs);
    this.accumulators.add(session.record, atUs, value, text);
    session.open = endUs > watermarkUs;
    session.dirty = !session.open;
    if (isLate && this.accumulators.plan.keepsLast && session.lastUs === atUs) this.#markFollowing(key, session, nowUs);
    if (session.dirty) this.#awaitCorrection(key, nowUs);
    else keys[o + NEXT] = this.#earliestOpenEnd(key);
    keys[o + DIRTY_END] = this.#earliestDirtyEnd(key);
    return isLate ? LATE_APPLIED : ON_TIME;
  }

  dueUs(key: number): number {
    const correctUs = this.#keys.cells[key * this.#keys.stride + CORRECT_BY] as number;
    return Math.min(this.#keys.idleDueUs(key), correctUs);
  }

  advance(key: number, dueUs: number): void {
    const { cells, stride } = this.#keys;
    const o = key * stride;
    if ((cells[o + CORRECT_BY] as number) <= dueUs) this.#emitCorrections(key);
    if (this.#keys.idleDueUs(key) <= dueUs) this.#moveTo(key, cells[o + NEXT] as number);
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    this.#keys.snapshot(to);
    yield* this.#pool.snapshot(to);
    for (const [key, sessions] of this.#sessions.entries()) {
      const left = this.#left[key];
      to.value({ sessions, retractions: this.#retractions[key], ...(left && { left }) });
      if (key % KEYS_PER_PAUSE === 0) yield;
    }
  }

  restore(from: SnapshotReader): void {
    this.#keys.restore(from);
    this.#pool.restore(from);
    while (this.#sessions.length < this.#keys.size) {
      const saved = from.value<{ sessions: Session[]; retractions: Retraction[]; left?: Point }>();
      const { sessions, retractions, left } = saved;
      this.#left.push(left);
      this.#sessions.push(sessions);
      this.#retractions.push(retractions);
    }
  }

  #moveTo(key: number, watermarkUs: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const forgottenUs = watermarkUs - SIZES_RETAINED * this.#options.gapUs;
    if ((keys[o + DIRTY_END] as number) <= forgottenUs) this.#emitCorrections(key);
    while ((keys[o + NEXT] as number) <= watermarkUs) {
      const endUs = keys[o + NEXT] as number;
      keys[o + WATERMARK] = endUs;
      const session = (this.#sessions[key] as Session[]).find(({ open }) => open) as Session;
      session.open = false;
      this.#emit(key, session);
      keys[o + NEXT] = this.#earliestOpenEnd(key);
    }
    keys[o + WATERMARK] = watermarkUs;
    this.#forget(key, forgottenUs);
  }

  #emit(key: number, session: Session): void {
    session.dirty = false;
    session.revision++;
    session.emittedEndUs = session.lastUs + this.#options.gapUs;
    if (this.accumulators.plan.keepsLast) {
      const sessions = this.#sessions[key] as Session[];
      const before = sessions[sessions.indexOf(session) - 1];
      this.accumulators.before = before === undefined ? this.#left[key] : this.accumulators.lastPoint(before.record);
    }
    this.#onWindow(key, session.firstUs, session.emittedEndUs, session.revision, session.record);
  }

  /** The sessions that a reading at this time belongs to. There are at most two, and the reading merges them. */
  #sessionsAround(key: number, atUs: number): Session[] {
    const { gapUs } = this.#options;
    return (this.#sessions[key] as Session[]).filter(
      ({ firstUs, lastUs }) => atUs > firstUs - gapUs && atUs < lastUs + gapUs,
    );
  }

  #join(key: number, joined: readonly Session[], atUs: number, nowUs: number): Session {
    const [first, second] = joined;
    const session = first ?? this.#begin(key, atUs);
    if (second !== undefined) {
      this.accumulators.merge(session.record, second.record);
      this.#retract(key, second, nowUs);
      session.lastUs = second.lastUs;
      this.#remove(key, second);
    }
    if (atUs < session.firstUs) {
      this.#retract(key, session, nowUs);
      session.firstUs = atUs;
      session.revision = NOT_EMITTED;
    }
    if (atUs > session.lastUs) session.lastUs = atUs;
    return session;
  }

  /** The last reading of a session has changed, and with it the newest one before the next session. */
  #markFollowing(key: number, session: Session, nowUs: number): void {
    const sessions = this.#sessions[key] as Session[];
    const next = sessions[sessions.indexOf(session) + 1];
    if (next === undefined || next.open) return;
    next.dirty = true;
    this.#awaitCorrection(key, nowUs);
  }

  #begin(key: number, atUs: number): Session {
    const sessions = this.#sessions[key] as Session[];
    const session = {
      firstUs: atUs,
      lastUs: atUs,
      record: this.#pool.take(),
      revision: NOT_EMITTED,
      emittedEndUs: Number.NaN,
      open: true,
      dirty: false,
    };
    let place = sessions.length;
    while (place > 0 && (sessions[place - 1] as Session).firstUs > atUs) place--;
    sessions.splice(place, 0, session);
    return session;
  }

  #retract(key: number, { firstUs, revision, emittedEndUs }: Session, nowUs: number): void {
    if (revision === NOT_EMITTED) return;
    (this.#retractions[key] as Retraction[]).push({ startUs: firstUs, revision: revision + 1, emittedEndUs });
    this.#awaitCorrection(key, nowUs);
  }

  #remove(key: number, session: Session): void {
    const sessions = this.#sessions[key] as Session[];
    sessions.splice(sessions.indexOf(session), 1);
    this.#pool.release(session.record);
  }

  #awaitCorrection(key: number, nowUs: number): void {
    const { cells, stride } = this.#keys;
    const o = key * stride + CORRECT_BY;
    if (cells[o] === Number.POSITIVE_INFINITY) cells[o] = nowUs + CORRECTION_WAIT_US;
  }

  /** Emits in the order of ends. The end of a retraction is its start. */
  #emitCorrections(key: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    keys[o + CORRECT_BY] = Number.POSITIVE_INFINITY;
    keys[o + DIRTY_END] = Number.POSITIVE_INFINITY;
    const retractions = this.#retractions[key] as Retraction[];
    const dirty = (this.#sessions[key] as Session[]).filter((session) => session.dirty);
    this.#retractions[key] = [];
    const all = [
      ...retractions.map((retraction) => ({ endUs: retraction.startUs, retraction, session: undefined })),
      ...dirty.map((session) => ({ endUs: session.lastUs + this.#options.gapUs, retraction: undefined, session })),
    ].sort((a, b) => a.endUs - b.endUs);
    for (const { endUs, retraction, session } of all) {
      if (session) this.#emit(key, session);
      else if (retraction) this.#onWindow(key, endUs, endUs, retraction.revision, RETRACTED);
    }
  }

  #earliestOpenEnd(key: number): number {
    const open = (this.#sessions[key] as Session[]).find((session) => session.open);
    return open === undefined ? Number.POSITIVE_INFINITY : open.lastUs + this.#options.gapUs;
  }

  #earliestDirtyEnd(key: number): number {
    let endUs = Number.POSITIVE_INFINITY;
    for (const { dirty, lastUs } of this.#sessions[key] as Session[]) {
      if (dirty) endUs = Math.min(endUs, lastUs + this.#options.gapUs);
    }
    for (const { emittedEndUs } of this.#retractions[key] as Retraction[]) endUs = Math.min(endUs, emittedEndUs);
    return endUs;
  }

  /** Drops closed sessions that are no longer retained. */
  #forget(key: number, endedUs: number): void {
    const sessions = this.#sessions[key] as Session[];
    const { gapUs } = this.#options;
    while (sessions[0] && !sessions[0].open && !sessions[0].dirty && sessions[0].lastUs + gapUs <= endedUs) {
      if (this.accumulators.plan.keepsLast) this.#left[key] = this.accumulators.lastPoint(sessions[0].record);
      this.#remove(key, sessions[0]);
    }
  }
}
