import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { ConflictError, type Records } from "../../platform/log/port.ts";

const RECORD = "feed-log-id";
const RETRY_MS = 1_000;
const ID = /^[a-z0-9]{1,16}$/;

/**
 * Names the log, so that a cursor of a log that was since thrown away is not taken for a place in the present one. Kept
 * beside the log: who loses one loses both. Tries until it succeeds or is stopped.
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
      // Another feed was quicker: its name holds.
      if (error instanceof ConflictError) continue;
      if (!signal.aborted) onFailed(error);
    }
    await pause(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}
