/** Run by full-disk.test.ts with a limit on the size of files: stores texts until that fails several times. */

import { HISTORY_EXTENT } from "../../contracts/history.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { storageConfigSchema } from "../config.ts";
import { startStorage } from "../storage.ts";
import { T0 } from "./batches.ts";
import { eventually, frameOf, testDeps } from "./testing.ts";

const FRAMES = 300;
const ROWS = 100;
/** Of them, each waits longer. */
const RETRIES = 6;

const [file = ""] = process.argv.slice(-1);
let storedAtUs = 0;
// The times of a log are part of its identity, so they must be the same each time.
const log = createMemoryLog({ nowUs: () => ++storedAtUs });
for (let i = 0; i < FRAMES; i++) {
  const readings = Array.from({ length: ROWS }, (_, k) => {
    // Texts that do not compress.
    const value = Array.from({ length: 12 }, (_, n) => Math.sin(i * ROWS + k + n / 16)).join();
    return { device: `d${k % 7}`, metric: "text", tags: {}, atUs: T0 + i * ROWS + k, value };
  });
  await log.append({ subject: "readings.0", payload: frameOf(readings) });
}
const deps = testDeps({ log });
const config = storageConfigSchema.parse({ stores: [{ duckdb: { file } }], linger: "1ms", batch_rows_max: 500 });
const service = await startStorage(config, deps);
const failed = () => deps.lines.filter(({ msg }) => msg.includes("unavailable"));
await eventually(
  "all is stored, or writes fail again and again",
  async () => {
    const extent = await log.bus.request(HISTORY_EXTENT, {}).catch(() => null);
    return extent?.toUs === T0 + FRAMES * ROWS || (await deps.figure("weir_storage_retries_total")) >= RETRIES;
  },
  120_000,
);
const report = {
  points: await deps.figure("weir_storage_points_total"),
  deadLetters: await deps.figure("weir_storage_dead_letters_total"),
  letters: (await log.bounds("DEADLETTERS")).messages,
  ready: service.health().ready,
  failures: [...new Set(failed().map(({ msg }) => msg))],
};
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
