/** Run by crash.test.ts: stores a long log, the same one each time, until it is killed. */
import { createMemoryLog } from "../../platform/log/memory.ts";
import { storageConfigSchema } from "../config.ts";
import { startStorage } from "../storage.ts";
import { frameReadings } from "./crash-log.ts";
import { eventually, frameOf, testDeps } from "./testing.ts";

const [file = "", frames = ""] = (process.env.WEIR_CRASH_CHILD ?? "").split("|");
let storedAtUs = 0;
// The times of a log are part of its identity, so they must be the same each time.
const log = createMemoryLog({ nowUs: () => ++storedAtUs });
for (let i = 1; i <= Number(frames); i++) {
  await log.append({ subject: "readings.0", payload: frameOf(frameReadings(i)) });
}
const config = storageConfigSchema.parse({ stores: [{ duckdb: { file } }], linger: "1ms", batch_rows_max: 200 });
const deps = testDeps({ log });
await startStorage(config, deps);
await eventually("something is stored", async () => (await deps.figure("weir_storage_points_total")) > 0);
process.stdout.write("started\n");
