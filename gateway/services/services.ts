import { watchHealth } from "../../platform/health-reports.ts";
import type { Deps, Service } from "../../platform/service.ts";
import type { Plan } from "../settings/plan.ts";
import type { Started } from "./started.ts";

/** The parts of Weir that can run alone: a type and an entry of SERVICES for each. */
export type ServiceName = "feed" | "storage" | "notifier" | "processors" | "edge";

type Start = (plan: Plan, deps: Deps) => Promise<Started>;

interface ServiceKind {
  /** One line for help. */
  readonly about: string;
  /** `own`: its own thread. `main`: the gateway's thread. */
  readonly thread: "own" | "main";
  /** Services that accept readings start when all others run, and stop before them. */
  readonly startsLast: boolean;
  /** Whether /readyz waits for it. */
  isExpected(plan: Plan): boolean;
  /** Loads the service's code. A thread loads only its own service: loading is most of a start. */
  load(): Promise<Start>;
}

export const SERVICES: Readonly<Record<ServiceName, ServiceKind>> = {
  feed: {
    about: "the page, its live feed and the HTTP API",
    thread: "own",
    startsLast: false,
    isExpected: () => true,
    async load() {
      const { startDashboardFeed } = await import("../../dashboard-feed/dashboard-feed.ts");
      return async (plan, deps) => {
        const expected = SERVICE_NAMES.filter((name) => SERVICES[name].isExpected(plan));
        const board = watchHealth(deps.log.bus, expected);
        const feed = await startDashboardFeed(plan.feed, { ...deps, readiness: board.entries });
        return {
          health: () => feed.health(),
          stop: () => feed.stop().finally(board.close),
          addresses: { httpPort: feed.address.port },
        };
      };
    },
  },
  storage: {
    about: "stores readings, windows and alerts, and answers questions about the past",
    thread: "own",
    startsLast: false,
    isExpected: () => true,
    async load() {
      const { startStorage } = await import("../../storage/storage.ts");
      return async (plan, deps) => withoutAddresses(await startStorage(plan.storage, deps));
    },
  },
  notifier: {
    about: "notifies people and systems of alerts",
    thread: "own",
    startsLast: false,
    // Without receivers, nothing needs to wait for it.
    isExpected: (plan) => Object.keys(plan.notifier.receivers).length > 0,
    async load() {
      const { startNotifier } = await import("../../notifier/notifier.ts");
      return async (plan, deps) => withoutAddresses(await startNotifier(plan.notifier, deps));
    },
  },
  processors: {
    about: "computes windows and alerts; run as many as you like",
    thread: "own",
    startsLast: false,
    isExpected: () => true,
    async load() {
      const { startProcessors } = await import("../../processors/processors.ts");
      return async ({ processors, partitions, member }, deps) =>
        withoutAddresses(await startProcessors(processors, { ...deps, partitions, member }));
    },
  },
  edge: {
    about: "the MQTT broker, and the ingest that writes readings to the log",
    thread: "main",
    startsLast: true,
    isExpected: () => true,
    load: async () => (await import("./edge.ts")).startEdge,
  },
};

/** In the order of their starts. */
export const SERVICE_NAMES: readonly ServiceName[] = (Object.keys(SERVICES) as ServiceName[]).sort(
  (a, b) => Number(SERVICES[a].startsLast) - Number(SERVICES[b].startsLast),
);

/** A service may be an instance of a class, whose methods a spread does not copy. */
function withoutAddresses(service: Service): Started {
  return { health: () => service.health(), stop: () => service.stop(), addresses: {} };
}
