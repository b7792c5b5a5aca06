import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { PortInUseError } from "../platform/errors.ts";
import type { Deps, Health, Service } from "../platform/service.ts";
import { createAccess } from "./common/access.ts";
import type { FeedConfig } from "./common/config.ts";
import { createFeedEvents } from "./common/events.ts";
import { loadPage } from "./http/page.ts";
import { createHttpServer } from "./http/server.ts";
import { Hub } from "./sockets/hub.ts";
import { Views } from "./views/views.ts";

export interface FeedDeps extends Deps {
  /** The health of the other services, for `/readyz`. */
  readonly readiness?: () => readonly { readonly name: string; readonly health: Health }[];
  /** Holds the tokens; by default, the environment of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface DashboardFeed extends Service {
  readonly address: { readonly port: number };
}

/** Connections that are not clients of the feed: browsers that load the page, scrapers, scripts. */
const HTTP_CONNECTIONS = 500;
const STOP_PATIENCE_MS = 1_000;

/**
 * Serves the present state of the log on one port: the page, the WebSocket feed, the HTTP API and the metrics. It
 * only reads the log, so any number of feeds can run. Resolves once it listens; the views fill from the log
 * afterwards (see `health`). Rejects with PortInUseError or TokenConfigError. Read on in `views/views.ts` (what is
 * shown), `sockets/hub.ts` (the feed) and `http/operations.ts` (the API); channels are declared in
 * `contracts/feed/channels.ts`.
 */
export async function startDashboardFeed(config: FeedConfig, deps: FeedDeps): Promise<DashboardFeed> {
  const events = createFeedEvents(deps.logger, deps.metrics);
  const access = createAccess(config, deps.env ?? process.env);
  const page = await loadPage(config.page_dir);
  const views = new Views({ config: config.history, deps, events, onAlerts: () => hub.alertsChanged() });
  const hub = new Hub({ config, clock: deps.clock, log: deps.log, views, access, events });
  views.start();
  const readiness = deps.readiness ?? (() => []);
  const context = { ...deps, instance: config.instance, views, readiness };
  const server = createHttpServer({ context, access, page, events });
  server.maxConnections = config.limits.clients_max + HTTP_CONNECTIONS;
  server.on("upgrade", (request, socket, head) => hub.upgrade(request, socket, head));
  try {
    await listen(server, config);
  } catch (error) {
    await views.stop();
    throw error;
  }
  hub.start();
  const { address, port } = server.address() as AddressInfo;
  events.listened(`${address}:${port}`);

  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    const closed = once(server, "close");
    server.close();
    await hub.stop();
    server.closeIdleConnections();
    const patience = setTimeout(() => server.closeAllConnections(), STOP_PATIENCE_MS);
    await closed;
    clearTimeout(patience);
    await views.stop();
  }

  return {
    name: "feed",
    address: { port },
    health() {
      const detail = views.notReady();
      return { ready: detail === undefined, detail: detail ?? "" };
    },
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

async function listen(server: Server, { bind, port }: FeedConfig): Promise<void> {
  server.listen({ host: bind, port });
  try {
    await once(server, "listening");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    const setting = "--http-port or WEIR_HTTP_PORT";
    throw new PortInUseError({ what: "the page and the feed", host: bind, port, setting });
  }
}
