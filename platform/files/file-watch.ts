import { unwatchFile, watchFile } from "node:fs";

const POLL_MS = 1_000;

/**
 * Calls back when a file is written, replaced or linked to another one. Polls, because file events get lost for
 * replaced files and mounted folders. Returns a function that stops it.
 */
export function onFileChange(path: string, changed: () => void): () => void {
  watchFile(path, { interval: POLL_MS, persistent: false }, changed);
  return () => unwatchFile(path, changed);
}
