import type { StreamName } from "../../domain/subjects.ts";
import type { Log } from "./port.ts";

/** The newest sequence among the messages of some exact subjects; 0 when there is none. */
export async function newestSequence(
  log: Pick<Log, "lastFor" | "bounds">,
  stream: StreamName,
  subjects: readonly string[],
): Promise<number> {
  // An empty stream is common (GROUPS without rules over several devices), and one request covers all subjects.
  if (subjects.length > 1 && (await log.bounds(stream)).lastSequence === 0) return 0;
  const newest = await Promise.all(subjects.map((subject) => log.lastFor(stream, subject)));
  return Math.max(0, ...newest.map((message) => message?.sequence ?? 0));
}
