import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { EXPLAIN_INCIDENT, type IncidentExplanation } from "../../contracts/explanations.ts";
import type { AlertChange, AlertEvent } from "../../domain/alert.ts";
import { type LogForReading, openLogForReading } from "../../platform/log/jetstream-reading.ts";
import { createRandom } from "../../simulators/random.ts";
import type { Check } from "./compare.ts";

const INCIDENTS = 100;
const EXPLAIN_MS_MAX = 20_000;

/** The log of the gateway that runs in a data folder. */
export async function openGatewayLog(dataDir: string): Promise<LogForReading> {
  const { natsUrl, natsToken } = JSON.parse(await readFile(join(dataDir, "run.json"), "utf8"));
  const logger = pino({ level: "silent" });
  return openLogForReading({ servers: natsUrl, token: natsToken, name: "verify", logger });
}

/** All alert changes of the log, in order. */
export async function emittedChanges(log: LogForReading): Promise<readonly AlertChange[]> {
  const { lastSequence, messages } = await log.bounds("ALERTS");
  if (messages === 0) return [];
  const changes: AlertChange[] = [];
  const reader = log.read({ stream: "ALERTS", from: { kind: "first" } });
  try {
    for await (const batch of reader) {
      for (const { payload } of batch) {
        const event: AlertEvent = JSON.parse(new TextDecoder().decode(payload));
        changes.push(event.data);
      }
      if ((batch.at(-1)?.sequence ?? lastSequence) >= lastSequence) break;
    }
  } finally {
    await reader.close();
  }
  return changes;
}

/** Explains random incidents, and checks that each explanation has the emitted values. */
export async function checkExplanations(
  log: LogForReading,
  emitted: readonly AlertChange[],
  seed: number,
): Promise<Check[]> {
  const random = createRandom(seed);
  const byIncident = new Map<string, AlertChange[]>();
  for (const change of emitted) byIncident.set(change.incident, [...(byIncident.get(change.incident) ?? []), change]);
  const left = [...byIncident.keys()];
  const chosen: string[] = [];
  while (chosen.length < INCIDENTS && left.length > 0) {
    chosen.push(...left.splice(Math.floor(random.next() * left.length), 1));
  }
  const wrong: string[] = [];
  let steps = 0;
  for (const incident of chosen) {
    const explained = (await log.bus.request(
      EXPLAIN_INCIDENT,
      { incident },
      { timeoutMs: EXPLAIN_MS_MAX },
    )) as IncidentExplanation;
    steps += explained.steps.length;
    const ids = JSON.stringify(explained.steps.map(({ id }) => id));
    if (ids !== JSON.stringify(byIncident.get(incident)?.map(({ id }) => id))) wrong.push(`${incident}: steps ${ids}`);
    for (const { id, value, recomputed, agrees, notes } of [...explained.steps]) {
      if (agrees !== true)
        wrong.push(`${incident} ${id}: emitted ${value}, computed ${recomputed} ${notes.join(", ")}`);
    }
    if (explained.notes.length > 0) wrong.push(`${incident}: ${explained.notes.join(", ")}`);
  }
  const wanted = Math.min(INCIDENTS, byIncident.size);
  return [
    {
      what: "incidents explained",
      expected: wanted,
      got: chosen.length,
      equal: wanted === chosen.length,
      examples: [],
    },
    {
      what: `explained changes (of ${steps}) that differ from the emitted ones`,
      expected: 0,
      got: wrong.length,
      equal: steps > 0 && wrong.length === 0,
      examples: wrong.slice(0, 5),
    },
  ];
}
