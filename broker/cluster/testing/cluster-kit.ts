import type { Bus } from "../../../platform/log/port.ts";
import type { Message, SessionStore } from "../../store/port.ts";
import { NOW_US, RecordedEvents, type StoreHarness, textOf } from "../../store/testing/store-kit.ts";
import type { ClusterEvents, ConnectedClient } from "../port.ts";
import { StoreCluster } from "../store-cluster.ts";
import { cuttable } from "./cuttable-bus.ts";

export const HEARTBEAT_MS = 40;

export class RecordedClusterEvents implements ClusterEvents {
  readonly connected: string[] = [];
  readonly shared: string[] = [];
  others = 0;
  readonly messages: string[] = [];
  readonly edges: string[] = [];
  readonly failures: string[] = [];

  onConnected({ clientId, user, atUs }: ConnectedClient): void {
    this.connected.push(`${clientId} of ${user} at ${atUs}`);
  }

  onMessage(message: Message): void {
    this.messages.push(`${message.qos} ${textOf(message)}`);
  }

  onShared(filter: string, message: Message): void {
    this.shared.push(`${filter} ${textOf(message)}`);
  }

  async onOthers(): Promise<void> {
    this.others++;
  }

  onEdge(edge: string, state: string): void {
    this.edges.push(`${edge} ${state}`);
  }

  onFailed(what: string, error: unknown): void {
    this.failures.push(`${what}: ${error}`);
  }
}

/** An edge with its store, as the broker puts them together. */
export interface Edge {
  readonly cluster: StoreCluster;
  readonly store: SessionStore;
  readonly stored: RecordedEvents;
  readonly events: RecordedClusterEvents;
  /** Nothing of the bus comes or goes while it is cut. */
  cutBus(isCut: boolean): void;
}

export interface ClusterHarness {
  open(edge: string, options?: { readonly forgetMs?: number }): Promise<Edge>;
  /** As if its process had ended. */
  crash(edge: Edge): Promise<void>;
  close(): Promise<void>;
}

/** `busOf` makes a bus for each edge. */
export function clusterHarness(stores: StoreHarness, busOf: () => Promise<Bus>): ClusterHarness {
  const open = new Set<Edge>();
  return {
    async open(edge, options = {}) {
      const { bus, cut } = cuttable(await busOf());
      let cluster: StoreCluster | undefined;
      const stored = new RecordedEvents();
      const { store } = await stores.open({
        edge,
        onSession: (clientId, record) => {
          if (cluster?.sessionChanged(clientId, record) !== true) stored.onSession(clientId, record);
        },
      });
      cluster = new StoreCluster({
        ...{ store, bus, edge, nowUs: () => NOW_US, nowMs: () => performance.now(), heartbeatMs: HEARTBEAT_MS },
        ...options,
      });
      const events = new RecordedClusterEvents();
      await cluster.start(events);
      const opened = { cluster, store, stored, events, cutBus: cut };
      open.add(opened);
      return opened;
    },
    async crash(edge) {
      edge.cutBus(true);
      open.delete(edge);
      await stores.crash(edge.store);
    },
    async close() {
      for (const { cluster } of open) await cluster.stop();
      await stores.close();
    },
  };
}
