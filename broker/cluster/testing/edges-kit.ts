import { pino } from "pino";
import { systemClock } from "../../../platform/clock.ts";
import type { Log } from "../../../platform/log/port.ts";
import { createMetrics } from "../../../platform/metrics.ts";
import { type Broker, startBroker } from "../../broker.ts";
import { brokerConfigSchema } from "../../common/config.ts";
import { crashable } from "../../store/testing/crashable-log.ts";
import { FakeGate } from "../../testing/test-support.ts";
import { cuttable } from "./cuttable-bus.ts";
import { Device, type DeviceOptions } from "./device.ts";

/** An edge is taken for dead after 15 of them. */
const HEARTBEAT_MS = 100;
const GRACE_SECONDS = 1;
/** Of pino. */
const ERROR_LEVEL = 50;

export interface TestEdge {
  readonly name: string;
  readonly port: number;
  readonly broker: Broker;
  readonly gate: FakeGate;
  /** Lines of its log. */
  readonly warnings: readonly string[];
  /** Ends it as if its process had ended: nothing is said or stored any more. */
  kill(): void;
  stop(): Promise<void>;
}

export interface EdgesKit {
  open(name: string, config?: Readonly<Record<string, unknown>>): Promise<TestEdge>;
  connect(edge: TestEdge, options: DeviceOptions): Promise<Device>;
  /** What edges reported as failed. */
  readonly failures: string[];
  close(): Promise<void>;
}

/** Whole brokers over logs of one server; each opens its own. */
export function edgesKit(openLog: (edge: string) => Promise<Log>, { graceSeconds = GRACE_SECONDS } = {}): EdgesKit {
  const failures: string[] = [];
  const edges = new Set<TestEdge>();
  const devices: Device[] = [];
  const logs: Log[] = [];
  return {
    failures,
    async open(name, config = {}) {
      const real = await openLog(name);
      logs.push(real);
      const { log, crash } = crashable(real);
      const { bus, cut } = cuttable(real.bus);
      const warnings: string[] = [];
      const write = (line: string) => {
        const { level, ...rest } = JSON.parse(line);
        const text = `${name}: ${JSON.stringify(rest)}`;
        if (level >= ERROR_LEVEL) failures.push(text);
        else warnings.push(text);
      };
      const logger = pino({ level: "warn", base: null, timestamp: false }, { write });
      const gate = new FakeGate();
      const parsed = brokerConfigSchema.parse({ mqtt_port: 0, ...config });
      const kept = { log: { ...log, bus }, edge: name, heartbeatMs: HEARTBEAT_MS, graceSeconds };
      const broker = await startBroker(parsed, { clock: systemClock, logger, metrics: createMetrics(), gate, kept });
      const port = broker.address.mqttPort;
      const edge: TestEdge = {
        ...{ name, port, broker, gate, warnings },
        kill() {
          edges.delete(edge);
          crash();
          cut(true);
          for (const device of devices) if (device.port === port) device.cut();
          // It writes into the void from now on.
          void broker.stop();
        },
        async stop() {
          edges.delete(edge);
          await broker.stop();
        },
      };
      edges.add(edge);
      return edge;
    },
    async connect(edge, options) {
      const device = await Device.connected(edge.port, options);
      devices.push(device);
      return device;
    },
    async close() {
      for (const device of devices) device.cut();
      await Promise.all([...edges].map((edge) => edge.stop()));
      await Promise.all(logs.map((log) => log.close()));
    },
  };
}
