import { readdirSync } from "node:fs";
import { Counter, Gauge } from "prom-client";
import type { Metrics } from "./metrics.ts";

const US_PER_SECOND = 1e6;
const FDS = "/proc/self/fd";

/** The figures of a whole process, with the names that Prometheus' own clients use. One service of it reports them. */
export function addProcessFigures({ registry }: Metrics, { version }: { readonly version: string }): void {
  const registers = [registry];
  const build = new Gauge({
    name: "weir_build_info",
    help: "1; the labels say what runs.",
    labelNames: ["version", "node_version"],
    registers,
  });
  build.set({ version, node_version: process.versions.node }, 1);
  const started = new Gauge({
    name: "process_start_time_seconds",
    help: "When the process started, in seconds since 1970.",
    registers,
  });
  started.set(Math.round(Date.now() / 1_000 - process.uptime()));
  new Counter({
    name: "process_cpu_seconds_total",
    help: "Processor time of the process, of all its threads.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / US_PER_SECOND);
    },
  });
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Memory of the process that is in RAM.",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  if (openFiles() === undefined) return;
  new Gauge({
    name: "process_open_fds",
    help: "Open files and connections.",
    registers,
    collect() {
      this.set(openFiles() ?? 0);
    },
  });
}

/** Undefined where the system does not say. */
function openFiles(): number | undefined {
  try {
    return readdirSync(FDS).length;
  } catch {
    return undefined;
  }
}
