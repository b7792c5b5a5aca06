import { Random } from "./random.ts";

/** Stops a world that would run forever. */
const EVENTS_MAX = 200_000;

const realSetImmediate = setImmediate;

interface Planned {
  readonly atUs: number;
  readonly order: number;
  readonly call: () => void;
  cancelled: boolean;
}

/**
 * Simulated time. It does not move while code runs, and jumps from one planned call to the next. Between two calls,
 * all promises settle. So a run depends only on its seed.
 */
export class World {
  readonly random: Random;
  nowUs: number;
  /** A heap, earliest first. */
  readonly #planned: Planned[] = [];
  #order = 0;
  events = 0;

  constructor(seed: number, nowUs: number) {
    this.random = new Random(seed);
    this.nowUs = nowUs;
  }

  /** Plans a call at an instant, or at once if the instant has passed. Returns a function that cancels it. */
  at(atUs: number, call: () => void): () => void {
    const planned = { atUs: Math.max(atUs, this.nowUs), order: this.#order++, call, cancelled: false };
    this.#push(planned);
    return () => {
      planned.cancelled = true;
    };
  }

  after(us: number, call: () => void): () => void {
    return this.at(this.nowUs + us, call);
  }

  async sleepUntil(atUs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.at(atUs, resolve);
    });
  }

  /** Runs until an instant, or until `done`. */
  async pass(untilUs: number, done: () => boolean = () => false): Promise<void> {
    for (;;) {
      await settled();
      if (done()) return;
      const next = this.#planned[0];
      if (next === undefined || next.atUs > untilUs) break;
      this.#pop();
      if (next.cancelled) continue;
      if (++this.events > EVENTS_MAX) throw new Error(`more than ${EVENTS_MAX} events: the simulated world is stuck`);
      this.nowUs = next.atUs;
      next.call();
    }
    this.nowUs = untilUs;
  }

  #push(planned: Planned): void {
    const heap = this.#planned;
    let i = heap.push(planned) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Planned;
      if (!isBefore(planned, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = planned;
  }

  #pop(): void {
    const heap = this.#planned;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Planned, heap[child] as Planned)) child++;
      if (!isBefore(heap[child] as Planned, last)) break;
      heap[i] = heap[child] as Planned;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.order < b.order);
}

/** Resolves when every promise that does not wait for time has settled. */
function settled(): Promise<void> {
  return new Promise((resolve) => realSetImmediate(resolve));
}

/** Runs `work` while timers and `performance.now` follow the world's time. */
export async function withTimersOf<T>(world: World, work: () => Promise<T>): Promise<T> {
  const real = { setTimeout, clearTimeout, setInterval, clearInterval };
  const timer = (cancel: () => void) => ({ cancel, unref() {}, ref() {} });
  const clear = (given: { readonly cancel: () => void } | undefined) => given?.cancel();
  Object.defineProperty(performance, "now", { value: () => world.nowUs / 1000, configurable: true });
  Object.assign(globalThis, {
    setTimeout: (call: () => void, ms = 0) => timer(world.after(ms * 1000, call)),
    setInterval: (call: () => void, ms: number) => {
      let cancel = () => {};
      const again = () => {
        cancel = world.after(ms * 1000, again);
        call();
      };
      cancel = world.after(ms * 1000, again);
      return timer(() => cancel());
    },
    clearTimeout: clear,
    clearInterval: clear,
  });
  try {
    return await work();
  } finally {
    Object.assign(globalThis, real);
    // Deleting the override restores the method of the prototype.
    Reflect.deleteProperty(performance, "now");
  }
}
