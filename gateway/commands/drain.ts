import type { Command } from "commander";
import { type DrainedEdge, drainOf } from "../../contracts/drain.ts";
import { memberOf } from "../settings/plan.ts";
import { askService, type ReachFlags, reachingGateway, withFormat } from "./common/running-gateway.ts";

/** An edge needs a few seconds at most. */
const DRAIN_MS_MAX = 30_000;

interface Flags extends ReachFlags {
  readonly edge?: string;
  readonly format: "text" | "json";
}

/** Adds `weir drain`. */
export function addDrainCommand(program: Command): void {
  withFormat(reachingGateway(program.command("drain")))
    .description("make an edge hand its MQTT clients over to the other edges, before it is stopped")
    .option("--edge <name>", "an edge elsewhere; edges log each other's names (default: that of the data folder)")
    .addHelpText(
      "after",
      "\nThe edge takes no new connections, finishes what is in flight and closes its connections. Clients connect again,\n" +
        "to another edge, and find their sessions there. /readyz says that it is not ready. It stays so until it is\n" +
        "stopped and started again. A stop (SIGTERM) does the same first.",
    )
    .action(drain);
}

async function drain(flags: Flags): Promise<void> {
  const edge = flags.edge ?? memberOf(flags.dataDir ?? ".weir");
  const drained = await askService(flags, {
    service: `edge ${JSON.stringify(edge)}`,
    command: "weir run edge",
    question: drainOf(edge),
    value: undefined,
    timeoutMs: DRAIN_MS_MAX,
  });
  process.stdout.write(flags.format === "json" ? `${JSON.stringify({ edge, ...drained })}\n` : textOf(edge, drained));
}

function textOf(edge: string, { clients, unfinished, others }: DrainedEdge): string {
  const lines = [`${edge}: ${clients} clients were handed over, to ${others} other edges`];
  if (others === 0) lines.push("There is no other edge: the clients wait until one starts");
  if (unfinished > 0) lines.push(`${unfinished} messages were not acknowledged in time; their clients send them again`);
  return `${lines.join("\n")}\n`;
}
