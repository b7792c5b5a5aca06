import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { formatInstantUs } from "../../../domain/time.ts";
import { systemClock } from "../../../platform/clock.ts";
import { beijingAirReplay } from "../../../simulators/beijing-air.ts";
import { startReplay } from "../../../simulators/replay.ts";

/** Two hours of the recording per second. */
const DEMO_SPEED = 7_200;

export interface DemoOptions {
  readonly mqttPort: number | undefined;
  readonly dataDir: string;
  readonly logger: Logger;
}

/** Replays the recording that comes with Weir over MQTT, in a loop. After a restart, event times continue. */
export async function startDemo(options: DemoOptions): Promise<{ stop(): Promise<void> }> {
  const { mqttPort, dataDir, logger } = options;
  const file = join(dataDir, "demo.json");
  const url = `mqtt://127.0.0.1:${mqttPort}`;
  const played = { url, speed: DEMO_SPEED, loop: true, connections: 2 };
  const config = beijingAirReplay({ ...played, not_before: readPlayedUntil(file) });
  let failed = false;
  function save(lastAtUs: number): void {
    if (!Number.isFinite(lastAtUs)) return;
    try {
      writeFileSync(file, JSON.stringify({ playedUntilUs: lastAtUs }));
      failed = false;
    } catch (error) {
      // The disk may be full. The demo continues; the error is logged once.
      if (!failed) logger.warn({ err: error }, "cannot save how far the demo has played");
      failed = true;
    }
  }
  const replay = await startReplay(config, { logger, clock: systemClock });
  const saves = setInterval(() => save(replay.report().lastAtUs), 1_000);
  return {
    async stop() {
      clearInterval(saves);
      await replay.stop();
      save(replay.report().lastAtUs);
    },
  };
}

function readPlayedUntil(file: string): string | undefined {
  try {
    const saved: { playedUntilUs?: number } = JSON.parse(readFileSync(file, "utf8"));
    return saved.playedUntilUs === undefined ? undefined : formatInstantUs(saved.playedUntilUs);
  } catch {
    return undefined;
  }
}
