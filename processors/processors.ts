import { setTimeout as delay } from "node:timers/promises";
import type { Deps, Service } from "../platform/service.ts";
import { BadFileError, formatProblems } from "../platform/yaml-file.ts";
import type { ProcessorsConfig } from "./config.ts";
import { createProcessorEvents } from "./events.ts";
import { PartitionRunner, type WantedRules } from "./partition-runner.ts";
import { loadRules } from "./rules/load-rules.ts";

const RELOAD_MS = 1_000;
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 15_000;

/**
 * Runs the deterministic step over every partition. Resolves when all of them have caught up with the log and the
 * rules are in force. Rejects with BadFileError when the rule files have problems.
 */
export async function startProcessors(
  config: ProcessorsConfig,
  deps: Deps & { readonly partitions: number },
): Promise<Service> {
  const { log, clock, logger } = deps;
  const events = createProcessorEvents(logger, deps.metrics);
  const loaded = await loadRules(config.rulesDir);
  if (loaded.problems.length > 0) throw new BadFileError(loaded.problems);
  let wanted: WantedRules = loaded;
  events.rulesLoaded(wanted.specs.length, wanted.version);

  const stopping = new AbortController();
  const lives = Array.from({ length: deps.partitions }, (_, partition) => startPartition(partition));
  let refused = "";
  const reloads = setInterval(() => void reload(), RELOAD_MS);

  async function reload(): Promise<void> {
    const next = await loadRules(config.rulesDir);
    const problems = formatProblems(next.problems);
    if (problems !== "") {
      if (problems !== refused) events.rulesRefused(problems);
    } else if (next.version !== wanted.version) {
      wanted = next;
      events.rulesLoaded(next.specs.length, next.version);
    }
    refused = problems;
    if (problems === "") for (const life of lives) life.offerRules();
  }

  function startPartition(partition: number) {
    let ready = false;
    let runner: PartitionRunner | undefined;
    let whenReady = () => {};
    const firstReady = new Promise<void>((resolve) => {
      whenReady = resolve;
    });
    async function live(): Promise<void> {
      for (let retryMs = RETRY_MS_MIN; !stopping.signal.aborted; retryMs = Math.min(retryMs * 2, RETRY_MS_MAX)) {
        runner = new PartitionRunner({ partition, config, log, clock, events, rules: () => wanted });
        try {
          await runner.run(() => {
            ready = true;
            retryMs = RETRY_MS_MIN;
            whenReady();
          });
        } catch (error) {
          ready = false;
          if (stopping.signal.aborted) throw error;
          events.partitionFailed(partition, error, retryMs);
          await delay(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
        }
      }
    }
    const ended = live();
    ended.catch((error: unknown) => logger.error({ partition, err: error }, "a partition ended without a checkpoint"));
    return {
      firstReady,
      isReady: () => ready,
      offerRules: () => void runner?.offerRules().catch(() => {}),
      async stop() {
        await runner?.stop();
        await ended.catch(() => {});
      },
    };
  }

  await Promise.all(lives.map((life) => life.firstReady));
  return {
    name: "processors",
    health() {
      const waiting = lives.filter((life) => !life.isReady()).length;
      return { ready: waiting === 0, detail: waiting === 0 ? "" : `${waiting} partitions are catching up` };
    },
    async stop() {
      clearInterval(reloads);
      stopping.abort();
      await Promise.all(lives.map((life) => life.stop()));
    },
  };
}
