import type { Flapping } from "../rules/rule.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";

/** Takes the place of the changes while the alert is flapping. */
const IS_FLAPPING: readonly number[] = [];

/** By key: the times at which its alert recently began to fire or ended, or that it is flapping. */
export class Flaps {
  readonly #changes = new Map<number, readonly number[]>();

  isFlapping(key: number): boolean {
    return this.#changes.get(key) === IS_FLAPPING;
  }

  /** Counts a change. Returns true if it makes the alert flap. */
  count(key: number, atUs: number, { changes, withinUs }: Flapping): boolean {
    const recent = (this.#changes.get(key) ?? []).filter((one) => one > atUs - withinUs);
    const isFlapping = recent.push(atUs) >= changes;
    this.#changes.set(key, isFlapping ? IS_FLAPPING : recent);
    return isFlapping;
  }

  /** Counting starts again from zero. */
  forget(key: number): void {
    this.#changes.delete(key);
  }

  forgetAll(): void {
    this.#changes.clear();
  }

  adopt(key: number, from: Flaps, fromKey: number): void {
    const changes = from.#changes.get(fromKey);
    if (changes !== undefined) this.#changes.set(key, changes);
  }

  snapshot(to: SnapshotWriter): void {
    to.number(this.#changes.size);
    for (const [key, changes] of this.#changes) {
      to.number(key);
      to.number(changes === IS_FLAPPING ? -1 : changes.length);
      for (const atUs of changes) to.number(atUs);
    }
  }

  restore(from: SnapshotReader): void {
    for (let left = from.number(); left > 0; left--) {
      const key = from.number();
      const count = from.number();
      const changes = Array.from({ length: Math.max(0, count) }, () => from.number());
      this.#changes.set(key, count < 0 ? IS_FLAPPING : changes);
    }
  }
}
