import { MemoryDisk, MemoryStore } from "../memory.ts";
import type { SessionStore } from "../port.ts";
import { LIMITS, NOW_US, RecordedEvents, type StoreHarness } from "./store-kit.ts";

/** Stores in memory over one disk. */
export function memoryHarness(): StoreHarness {
  let disk: MemoryDisk | undefined;
  const crashes = new WeakMap<SessionStore, () => void>();
  return {
    async open({ edge = "edge-1", limits = {}, onSession } = {}) {
      const all = { ...LIMITS, ...limits };
      disk ??= new MemoryDisk(all);
      const store = new MemoryStore({ edge, limits: all, disk, nowUs: () => NOW_US });
      const events = new RecordedEvents(onSession);
      await store.start(events);
      const guarded = mortal(store);
      crashes.set(guarded.store, () => {
        guarded.crash();
        disk?.stores.delete(events);
      });
      return { store: guarded.store, events };
    },
    async crash(store) {
      crashes.get(store)?.();
    },
    close: async () => {},
  };
}

/** A store that does nothing any more after a crash. */
function mortal(store: MemoryStore): { readonly store: SessionStore; readonly crash: () => void } {
  let isDead = false;
  const never = new Promise<never>(() => {});
  const alive = <Args extends unknown[], Result>(act: (...args: Args) => Promise<Result>) => {
    return (...args: Args): Promise<Result> => (isDead ? never : act(...args));
  };
  return {
    store: {
      start: alive((events) => store.start(events)),
      stop: alive(() => store.stop()),
      sessions: () => store.sessions(),
      session: (clientId) => store.session(clientId),
      claim: alive((clientId, wish) => store.claim(clientId, wish)),
      save: alive((record, over) => store.save(record, over)),
      remove: alive((clientId, epoch) => store.remove(clientId, epoch)),
      enqueue: alive((message, copies) => store.enqueue(message, copies)),
      retain: alive((topic, message) => store.retain(topic, message)),
      retained: () => store.retained(),
      expire: alive((nowUs) => store.expire(nowUs)),
    },
    crash: () => {
      isDead = true;
    },
  };
}
