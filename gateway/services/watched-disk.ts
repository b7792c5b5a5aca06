import { createDiskEvents, shortText } from "../../platform/disk/disk-events.ts";
import { DiskWatch } from "../../platform/disk/disk-watch.ts";
import { HeldPublishes } from "../../platform/disk/held-publishes.ts";
import type { PublishGate } from "../../platform/publish-gate.ts";
import type { Deps, Health } from "../../platform/service.ts";
import type { Plan } from "../settings/plan.ts";

/**
 * Publishes wait while the log's disk is short of space: what is in the log can then still be processed and stored.
 * Does nothing when the log is elsewhere.
 */
export class WatchedDisk {
  readonly #watch: DiskWatch | undefined;
  #held: HeldPublishes | undefined;

  constructor({ disk }: Plan, { logger, metrics }: Deps) {
    if (disk === undefined) return;
    const events = createDiskEvents(logger, metrics);
    this.#watch = new DiskWatch({
      ...disk,
      onLook: events.looked,
      onChange: (state) => {
        events.changed(state);
        this.#held?.release();
      },
    });
  }

  async start(): Promise<void> {
    await this.#watch?.start();
  }

  hold(gate: PublishGate): PublishGate {
    const watch = this.#watch;
    if (watch === undefined) return gate;
    this.#held = new HeldPublishes(gate, () => watch.isShort);
    return this.#held;
  }

  /** Undefined while there is room. */
  problem(): Health | undefined {
    const state = this.#watch?.state;
    return state?.isShort ? { ready: false, detail: shortText(state) } : undefined;
  }

  /** Messages that still wait are refused: their clients send them again. */
  stop(): void {
    this.#watch?.stop();
    this.#held?.refuse(new Error("the disk is short of space, and the gateway stops"));
  }
}
