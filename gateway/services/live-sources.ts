import { basename } from "node:path";
import { SOURCES, type SourcesInForce } from "../../contracts/sources.ts";
import type { Ingest } from "../../ingest/ingest.ts";
import type { Deps } from "../../platform/service.ts";
import { configNotice, followConfig } from "../settings/follow-config.ts";
import type { PipelineConfig } from "../settings/pipeline-config.ts";
import { ingestOf, type Plan } from "../settings/plan.ts";
import { createConfigEvents } from "./config-events.ts";

/** A page lists no more. */
const PROBLEMS_MAX = 100;

/** The ingest by the newest `weir.yaml`. */
export interface LiveSources {
  /** As in the file in force. */
  sources(): PipelineConfig["sources"];
  /** What a person should look into. */
  notice(): string | undefined;
  stop(): void;
}

/** Keeps the ingest as `weir.yaml` says, and answers questions about its sources. */
export function followSources({ configFile }: Plan, { log, logger, metrics }: Deps, ingest: Ingest): LiveSources {
  const followed = followConfig({
    ...configFile,
    apply: (config) => ingest.use(ingestOf(config)),
    events: createConfigEvents(logger, metrics),
  });
  const stopAnswers = log.bus.respond(SOURCES, async (): Promise<SourcesInForce> => {
    const { problems, waiting } = followed;
    const listed = problems.slice(0, PROBLEMS_MAX).map(({ file, line, column, message }) => ({
      ...{ file: basename(file), line, column, message },
    }));
    return { file: { errors: problems.length, problems: listed, waiting: [...waiting] }, sources: ingest.sources() };
  });
  return {
    sources: () => followed.inForce.sources,
    notice: () => configNotice(followed) ?? sourcesNotice(ingest.sources()),
    stop() {
      followed.stop();
      stopAnswers();
    },
  };
}

/** Anyone may ask for the health: it names no topics. */
function sourcesNotice(sources: SourcesInForce["sources"]): string | undefined {
  const count = sources.filter(({ warnings }) => warnings.length > 0).length;
  if (count === 0) return undefined;
  const which = count === 1 ? "A source is" : `${count} sources are`;
  return `${which} probably wrong: the page's pipeline says which, and why.`;
}
