import { DEAD_LETTERS_DISMISS, type DismissOrder, type DismissReport } from "../../../contracts/dead-letters.ts";
import { formatInstantUs } from "../../../domain/time.ts";
import { countByTopic } from "../../../platform/dead-letter-topics.ts";
import type { LogForReading } from "../../../platform/log/jetstream-reading.ts";
import { terminalText } from "../common/terminal-text.ts";
import { write } from "./letter-lines.ts";
import { askIngest } from "./retry.ts";

/** Prints how many letters each topic has. */
export async function listTopics(
  log: LogForReading,
  { reason, format }: { readonly reason?: string; readonly format: "text" | "json" },
): Promise<void> {
  const found = await countByTopic(log, { reason });
  if (format === "json") {
    write(JSON.stringify(found, undefined, 2));
    return;
  }
  if (found.topics.length === 0) write("no message was refused");
  for (const { topic, letters, reasons, newestAtUs } of found.topics) {
    const why = Object.entries(reasons).map(([name, count]) => `${name} ${count}`);
    write(
      `${String(letters).padStart(8)}  ${formatInstantUs(newestAtUs)}  ${terminalText(`${topic}: ${why.join(", ")}`)}`,
    );
  }
  if (found.hasMore) write(`... of the newest ${found.counted} letters; there are older ones`);
}

/** Deletes letters, and prints how many. */
export async function dismiss(log: LogForReading, first: DismissOrder, format: "text" | "json"): Promise<void> {
  let dismissed = 0;
  for (let order: DismissOrder | undefined = first; order !== undefined; ) {
    const report: DismissReport = await askIngest(log, DEAD_LETTERS_DISMISS, order, "a letter is deleted once.");
    dismissed += report.dismissed;
    const { before, next } = report;
    order = next === undefined || "sequences" in order ? undefined : { ...order, before, after: next };
  }
  if (format === "json") write(JSON.stringify({ dismissed }));
  else if (dismissed === 0) write("nothing to dismiss: no letter matches");
  else write(`${dismissed === 1 ? "1 letter is" : `${dismissed} letters are`} deleted`);
}
