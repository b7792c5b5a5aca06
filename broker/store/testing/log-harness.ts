import type { Log } from "../../../platform/log/port.ts";
import { JetStreamStore } from "../jetstream/jetstream-store.ts";
import type { SessionStore } from "../port.ts";
import { crashable } from "./crashable-log.ts";
import { LIMITS, NOW_US, RecordedEvents, type StoreHarness } from "./store-kit.ts";

/** Stores over logs; each opens its own. What fails in the background is collected in `failures`. */
export function logHarness(openLog: () => Promise<Log>, failures: string[] = []): StoreHarness {
  const opened = new Map<SessionStore, { readonly crash: () => void; readonly log: Log }>();
  const crashed: Log[] = [];
  return {
    async open({ edge = "edge-1", limits = {}, onSession } = {}) {
      const real = await openLog();
      const { log, crash } = crashable(real);
      const store = new JetStreamStore({
        ...{ log, edge, limits: { ...LIMITS, ...limits }, nowUs: () => NOW_US },
        onFailed: (what, error) => failures.push(`${what}: ${error}`),
      });
      opened.set(store, { crash, log: real });
      const events = new RecordedEvents(onSession);
      await store.start(events);
      return { store, events };
    },
    async crash(store) {
      const { crash, log } = opened.get(store) ?? {};
      crash?.();
      opened.delete(store);
      if (log !== undefined) crashed.push(log);
    },
    async close() {
      for (const store of opened.keys()) await store.stop();
      for (const { crash } of opened.values()) crash();
      const logs = [...Array.from(opened.values(), ({ log }) => log), ...crashed];
      await Promise.all(logs.map((log) => log.close()));
    },
  };
}
