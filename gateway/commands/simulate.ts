import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { z } from "zod";
import { systemClock } from "../../platform/clock.ts";
import { BadFileError, parseYaml } from "../../platform/files/yaml-file.ts";
import { createLogger } from "../../platform/logger.ts";
import { fleetConfig, replayConfig } from "../../simulators/config.ts";
import { UsageError } from "./common/failures.ts";
import { stopInTime, stopRequested } from "./common/shutdown.ts";

/** Adds `weir simulate`: devices to try things out with, over real MQTT. */
export function addSimulateCommands(parent: Command): void {
  const simulate = parent.command("simulate").description("publish simulated or recorded readings over MQTT");
  simulate
    .command("fleet")
    .description("simulated devices with noise, spikes, dropouts, wrong clocks and duplicates")
    .option("--url <url>", "broker (default mqtt://127.0.0.1:1883)")
    .option("--devices <count>", "number of devices (default 20)")
    .option(
      "--interval <duration>",
      "time between two messages of a device: 250ms, 1s, or a number of milliseconds (default 1s)",
    )
    .option("--qos <0|1|2|mixed>", "MQTT quality of service (default 1)")
    .option("--seed <number>", "the same seed gives the same values (default 1)")
    .option("--config <file>", "YAML file with all settings; flags win over it")
    .action(async (flags: Readonly<Record<string, string>>) => {
      const config = await readConfig(fleetConfig, flags.config, {
        url: flags.url,
        devices: numeric(flags.devices),
        interval: milliseconds(flags.interval),
        qos: flags.qos === "mixed" ? "mixed" : numeric(flags.qos),
        seed: numeric(flags.seed),
      });
      const { startFleet } = await import("../../simulators/fleet.ts");
      const fleet = await startFleet(config, { logger: logger(), clock: systemClock });
      await runUntilStopped(fleet);
      process.stdout.write(`${JSON.stringify(await fleet.done, undefined, 2)}\n`);
      process.exit(0);
    });
  simulate
    .command("replay")
    .description("recorded CSV files at any speed")
    .argument("[paths...]", "CSV files (plain or .gz), or folders of them")
    .option("--url <url>", "broker (default mqtt://127.0.0.1:1883)")
    .option("--speed <factor|max>", "event time per real time (default 1)")
    .option("--site <name>", "site in the topics (default replay)")
    .option("--loop", "start over at the end")
    .option("--config <file>", "YAML file with all settings, such as the columns; flags win over it")
    .action(async (paths: readonly string[], flags: Readonly<Record<string, string>>) => {
      const config = await readConfig(replayConfig, flags.config, {
        paths: paths.length > 0 ? paths : undefined,
        url: flags.url,
        speed: flags.speed === "max" ? "max" : numeric(flags.speed),
        site: flags.site,
        loop: flags.loop,
      });
      const { startReplay } = await import("../../simulators/replay.ts");
      const replay = await startReplay(config, { logger: logger(), clock: systemClock });
      await runUntilStopped(replay);
      process.stdout.write(`${JSON.stringify(await replay.done, undefined, 2)}\n`);
      process.exit(0);
    });
}

const ANY_MAP = z.record(z.string(), z.unknown());

async function runUntilStopped(simulation: { readonly done: Promise<unknown>; stop(): Promise<void> }): Promise<void> {
  const requested = stopRequested().then(() => true);
  if (await Promise.race([simulation.done.then(() => false), requested])) await stopInTime(() => simulation.stop());
}

function logger() {
  return createLogger({ level: "info", pretty: process.stderr.isTTY === true, name: "simulate" });
}

/** A text that is not a number stays one, for the message of its problem. */
function numeric(text: string | undefined): number | string | undefined {
  return text === undefined || text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);
}

/** A plain number is in milliseconds. */
function milliseconds(text: string | undefined): string | undefined {
  return text !== undefined && /^[\d.]+$/.test(text) ? `${text}ms` : text;
}

/** The settings of a file and of flags, which win. Throws BadFileError, or UsageError for the flags. */
async function readConfig<T>(
  schema: z.ZodType<T>,
  file: string | undefined,
  flags: Readonly<Record<string, unknown>>,
): Promise<T> {
  const source = file === undefined ? "" : await readFile(file, "utf8");
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  const fromFile = parseYaml<Record<string, unknown>>(source, file ?? "", ANY_MAP);
  if (!fromFile.ok) throw new BadFileError(fromFile.problems);
  // A line for each setting, so that the line of a problem names its setting.
  const all = Object.entries({ ...fromFile.value, ...given });
  const text = all.map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join("\n");
  const parsed = parseYaml(text, file ?? "", schema);
  if (parsed.ok) return parsed.value;
  const problems = parsed.problems.map(({ line, message }) => {
    const name = message.includes("is missing") ? "" : (all[line - 1]?.[0] ?? "");
    return { name, message: Object.hasOwn(given, name) ? `--${name} ${String(given[name])}: ${message}` : message };
  });
  if (problems.some(({ name }) => Object.hasOwn(given, name))) {
    throw new UsageError(problems.map(({ message }) => message).join("\n"));
  }
  const alone = parseYaml(source, file ?? "", schema);
  throw alone.ok ? new UsageError(problems.map(({ message }) => message).join("\n")) : new BadFileError(alone.problems);
}
