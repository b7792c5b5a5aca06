import { unwatchFile, watchFile } from "node:fs";

const POLL_MS = 1_000;

/**
 * Calls back when a file was written, replaced or linked anew. Polls, because events get lost with replaced files and
 * mounted folders. Returns how to stop.
 */
export function onFileChange(path: string, changed: () => void): () => void {
  watchFile(path, { interval: POLL_MS, persistent: false }, changed);
  return () => unwatchFile(path, changed);
}
