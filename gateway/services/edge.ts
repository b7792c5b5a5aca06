import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { type Bridges, createBridges } from "../../bridge/bridges.ts";
import { type Broker, startBroker } from "../../broker/broker.ts";
import { drainOf } from "../../contracts/drain.ts";
import { type BrokerListeners, LISTENERS } from "../../contracts/listeners.ts";
import { OWN_BROKER, type OwnBroker } from "../../contracts/notifications.ts";
import { keysOf } from "../../domain/keys-of.ts";
import { type Ingest, startIngest } from "../../ingest/ingest.ts";
import type { DevicePublish } from "../../platform/device-publish.ts";
import type { PublishGate } from "../../platform/publish-gate.ts";
import type { Deps } from "../../platform/service.ts";
import type { Plan } from "../settings/plan.ts";
import { exampleMessage } from "./example-message.ts";
import { followSources, type LiveSources } from "./live-sources.ts";
import type { Started } from "./started.ts";
import { WatchedDisk } from "./watched-disk.ts";

/** Broker and ingest share a process: an acknowledgement waits for the log, not for another hop. */
export async function startEdge(plan: Plan, deps: Deps): Promise<Started> {
  const disk = new WatchedDisk(plan, deps);
  await disk.start();
  const ingest = await startIngest(plan.ingest, {
    ...deps,
    partitions: plan.partitions,
    hold: (gate) => disk.hold(gate),
  });
  // Hard to guess: the readings of a client with such an id would not go to the log.
  const clientIdPrefix = `weir-own-${randomBytes(9).toString("base64url")}-`;
  const sources = followSources(plan, deps, ingest);
  let bridges: Bridges | undefined;
  try {
    const { member } = plan;
    bridges = await createBridges(plan.bridges, { ...deps, member, next: passOwn(ingest, clientIdPrefix) });
    return await startWith({ plan, deps, ingest, sources, disk, bridges, clientIdPrefix });
  } catch (error) {
    disk.stop();
    sources.stop();
    await bridges?.stop();
    await ingest.stop();
    throw error;
  }
}

interface Parts {
  readonly plan: Plan;
  readonly deps: Deps;
  readonly ingest: Ingest;
  readonly sources: LiveSources;
  readonly disk: WatchedDisk;
  readonly bridges: Bridges;
  readonly clientIdPrefix: string;
}

async function startWith({ plan, deps, ingest, sources, disk, bridges, clientIdPrefix }: Parts): Promise<Started> {
  const kept = { log: deps.log, edge: plan.member };
  const broker = await startBroker(plan.broker, { ...deps, gate: bridges.gate, kept });
  bridges.start(broker.publish);
  ingest.reach(toDevices(broker, deps));
  const { mqttPort, wsPort } = broker.address;
  const own: OwnBroker = { ...reachable(plan.broker.bind), port: mqttPort, clientIdPrefix };
  const { bus } = deps.log;
  const stops = [
    bus.respond(OWN_BROKER, async () => own),
    bus.respond(LISTENERS, async () => listenersOf(plan, broker.address, sources.sources())),
    bus.respond(drainOf(plan.member), () => broker.drain()),
  ];
  return {
    addresses: wsPort === undefined ? { mqttPort } : { mqttPort, mqttWsPort: wsPort },
    health() {
      const health = broker.health();
      if (!health.ready) return health;
      const problem = disk.problem() ?? ingest.health();
      const notice = sources.notice() ?? bridges.problem();
      // Devices must not lose this gateway because another broker is away.
      return notice === undefined || !problem.ready ? problem : { ...problem, notice };
    },
    async stop() {
      for (const stop of stops) stop();
      sources.stop();
      disk.stop();
      ingest.reach(undefined);
      await bridges.stop();
      await broker.stop();
      await bridges.drain();
      await ingest.stop();
    },
  };
}

/** Messages of Weir's own, to the clients of its broker. */
function toDevices(broker: Broker, { clock, logger }: Deps): (message: DevicePublish) => void {
  return (message) => {
    broker
      .publish({ ...message, clientId: "", receivedAtUs: clock.nowUs() })
      .catch((err: unknown) => logger.warn({ err, topic: message.topic }, "a message to devices could not be sent"));
  };
}

function listenersOf(
  { broker: { bind, users_file, anonymous } }: Plan,
  { mqttPort, tlsPort, wsPort }: Broker["address"],
  sources: Plan["ingest"]["sources"],
): BrokerListeners {
  const ports = { mqtt: mqttPort, mqtts: tlsPort, ws: wsPort };
  const example = exampleMessage(sources);
  return {
    bind,
    listeners: keysOf(ports).flatMap((protocol) => {
      const port = ports[protocol];
      return port === undefined ? [] : [{ protocol, port }];
    }),
    users: users_file !== undefined && anonymous !== true,
    topics: sources.filter(({ ignore }) => !ignore).flatMap(({ topic }) => topic),
    ...(example === undefined ? {} : { example }),
  };
}

/** Weir's own messages, such as alerts, are not readings: they go to subscribers only. */
function passOwn(gate: PublishGate, clientIdPrefix: string): PublishGate {
  return {
    accept(message, done) {
      if (message.clientId.startsWith(clientIdPrefix)) done();
      else gate.accept(message, done);
    },
  };
}

/** The address at which services on this machine reach the broker, and the name by which others do. */
function reachable(bind: string): Pick<OwnBroker, "host" | "machine"> {
  if (bind === "0.0.0.0") return { host: "127.0.0.1", machine: hostname() };
  return bind === "::" ? { host: "::1", machine: hostname() } : { host: bind };
}
