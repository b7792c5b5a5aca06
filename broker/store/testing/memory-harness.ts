import { MemoryDisk, MemoryStore } from "../memory.ts";
import { LIMITS, NOW_US, RecordedEvents, type StoreHarness } from "./store-kit.ts";

/** Stores in memory over one disk. */
export function memoryHarness(): StoreHarness {
  let disk: MemoryDisk | undefined;
  return {
    async open({ edge = "edge-1", limits = {} } = {}) {
      const all = { ...LIMITS, ...limits };
      disk ??= new MemoryDisk(all);
      const store = new MemoryStore({ edge, limits: all, disk, nowUs: () => NOW_US });
      const events = new RecordedEvents();
      await store.start(events);
      return { store, events };
    },
    crash: async () => {},
    close: async () => {},
  };
}
