import { randomBytes } from "node:crypto";
import { sleep } from "../../platform/async/sleep.ts";
import { ConflictError, type Records } from "../../platform/log/port.ts";

const RECORD = "feed-log-id";
const RETRY_MS = 1_000;
const ID = /^[a-z0-9]{1,16}$/;

/**
 * Names the log, so that a cursor in a deleted log is not valid in the present one. The name is a record beside the
 * log: a log that is lost loses its name too. Retries until it succeeds; undefined if stopped.
 */
export async function identifyLog(
  records: Records,
  options: { readonly signal: AbortSignal; readonly onFailed: (error: unknown) => void },
): Promise<string | undefined> {
  const { signal, onFailed } = options;
  while (!signal.aborted) {
    try {
      const record = await records.get(RECORD);
      const known = record === undefined ? "" : new TextDecoder().decode(record.value);
      if (ID.test(known)) return known;
      const id = randomBytes(4).toString("hex");
      await records.set(RECORD, new TextEncoder().encode(id), record?.revision ?? 0);
      return id;
    } catch (error) {
      // Another feed was first: use its name.
      if (error instanceof ConflictError) continue;
      if (!signal.aborted) onFailed(error);
    }
    await sleep(RETRY_MS, { signal });
  }
  return undefined;
}
