/* Run by crash.test.ts: a notifier on a real NATS server, until it is killed. */
import { connectJetStreamLog } from "../../platform/log/jetstream.ts";
import { createLogger } from "../../platform/logger.ts";
import { startNotifier } from "../notifier.ts";
import { configOf, RETENTION, testDeps } from "./test-kit.ts";

const {
  natsUrl,
  token,
  sinkUrl,
  concurrency,
  grouped,
  others = {},
} = JSON.parse(process.env.NOTIFIER_CRASH_CHILD ?? "{}");
const logger = createLogger({ level: "warn", pretty: false, name: "child" });
const log = await connectJetStreamLog({
  servers: natsUrl,
  token,
  name: "child",
  partitions: 1,
  retention: RETENTION,
  logger,
});
const defaults = grouped
  ? { group_by: ["site"], group_wait: "0s", group_interval: "0s", repeat_interval: "never" }
  : { repeat_interval: "never" };
const webhook = { url: sinkUrl, concurrency, collapse: false, timeout: "5s" };
await startNotifier(configOf({ ops: [{ webhook }] }, { defaults, ...others }), { ...testDeps({ log }), logger });
process.stdout.write("started\n");
