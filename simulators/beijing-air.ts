import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ReplayConfig, type ReplayInput, replayConfig } from "./config.ts";

const FOLDER = join("simulators", "recordings", "beijing-air");

/** The excerpt of real recordings that Weir ships. */
export function beijingAirFolder(): string {
  // Compiled code is one folder deeper than its source, and recordings are not copied.
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const found = join(folder, FOLDER);
    if (existsSync(found)) return found;
    const above = dirname(folder);
    if (above === folder) throw new Error(`cannot find ${FOLDER} above ${fileURLToPath(import.meta.url)}`);
    folder = above;
  }
}

/** How to replay files of the Beijing multi-site air quality data; its local times are read as UTC. */
export function beijingAirReplay(
  options: Pick<ReplayInput, "url" | "speed"> & Partial<Omit<ReplayInput, "columns">>,
): ReplayConfig {
  return replayConfig.parse({
    paths: [beijingAirFolder()],
    site: "beijing",
    ...options,
    columns: {
      time: { year: "year", month: "month", day: "day", hour: "hour" },
      device: { column: "station" },
      ignore: ["No"],
    },
  });
}
