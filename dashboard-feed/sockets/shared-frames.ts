import type { CompiledFilter } from "../common/filter.ts";
import type { StateView } from "../views/view.ts";
import { Interest, type StateChannel } from "./interest.ts";
import { Routes } from "./routes.ts";
import { textFrame } from "./web-socket-frame.ts";

/** Unused filters are kept for clients that come back, because a new filter must be evaluated on every item. */
const UNUSED_MAX = 200;

/** What subscriptions share: filters with their results and, within a tick, changes and frames. */
export class SharedFrames {
  readonly logId: () => string;
  readonly #interests = new Map<string, Interest>();
  readonly #unused = new Set<Interest>();
  readonly #used: Interest[] = [];
  readonly #routes = new Map<StateView, Routes>();
  readonly #alertFrames = new Map<string, Buffer>();

  constructor(logId: () => string) {
    this.logId = logId;
  }

  /** The caller returns it with `release`. */
  interest(channel: StateChannel, view: StateView, filter: CompiledFilter): Interest {
    // With a restricted token, the same filter may show less of a device than without one.
    const key = `${channel} ${filter.restricted ? "some" : "all"} ${filter.key}`;
    let interest = this.#interests.get(key);
    if (interest === undefined) {
      interest = new Interest({
        ...{ key, channel, view, filter, logId: this.logId },
        changedAfter: (after, asking) => this.#routesOf(asking.view)?.changedAfter(after, asking),
        onUsed: (used) => this.#used.push(used),
      });
      this.#interests.set(key, interest);
      this.#routesOf(view)?.add(interest);
    }
    interest.users++;
    this.#unused.delete(interest);
    return interest;
  }

  release(interest: Interest): void {
    interest.users--;
    if (interest.users > 0) return;
    this.#unused.add(interest);
    if (this.#unused.size <= UNUSED_MAX) return;
    // Removes half of them at once, because each removal resets the routes.
    for (const old of [...this.#unused].slice(0, UNUSED_MAX / 2)) {
      this.#unused.delete(old);
      this.#interests.delete(old.key);
      this.#routesOf(old.view)?.remove(old);
    }
  }

  #routesOf(view: StateView): Routes | undefined {
    if (view.groupOf === undefined) return undefined;
    let routes = this.#routes.get(view);
    if (routes === undefined) {
      routes = new Routes(view, view.groupOf);
      this.#routes.set(view, routes);
    }
    return routes;
  }

  /** The bytes of a frame of alerts, shared by all clients with the same filter, position and id. */
  alertFrame(key: string, text: () => string): Buffer {
    let frame = this.#alertFrames.get(key);
    if (frame === undefined) {
      frame = textFrame(text());
      this.#alertFrames.set(key, frame);
    }
    return frame;
  }

  /** Runs at every tick: drops the batches and frames of the last tick. */
  clear(): void {
    for (const interest of this.#used.splice(0)) interest.clear();
    for (const routes of this.#routes.values()) routes.clear();
    this.#alertFrames.clear();
  }
}
