import type { Logger } from "pino";
import { counter, createFigures, gauge } from "../../platform/figures.ts";
import type { Metrics } from "../../platform/metrics.ts";
import type { ConfigEvents } from "../settings/follow-config.ts";

const FIGURES = {
  bad: gauge("weir_config_bad", "1 while weir.yaml has problems and the previous configuration stays in force."),
  loads: counter("weir_config_loads_total", "Changes of weir.yaml that were put in force while Weir ran."),
  waiting: gauge("weir_config_settings_waiting", "Settings that changed and take effect with the next start."),
};

/** Logs and counts what happens to `weir.yaml`. */
export function createConfigEvents(logger: Logger, metrics: Metrics): ConfigEvents {
  const figures = createFigures(metrics, FIGURES);
  return {
    configLoaded(file, waiting) {
      figures.loads.inc();
      figures.bad.set(0);
      figures.waiting.set(waiting.length);
      logger.info({ file }, "the configuration changed and is in force");
      if (waiting.length > 0) logger.warn({ file, waiting }, "these settings take effect with the next start");
    },
    configRefused(problems) {
      figures.bad.set(1);
      logger.error(`the configuration has problems; the previous one stays in force\n${problems}`);
    },
    configFixed() {
      figures.bad.set(0);
      logger.info("the configuration is in order again");
    },
  };
}
