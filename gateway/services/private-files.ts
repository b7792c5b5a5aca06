import { chmodSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;
const OTHERS = 0o077;
/** What Weir keeps in its data folder. Anything else there is not its own. */
const OWN = [/^nats$/, /^nats\.(conf|json|log)(\..*)?$/, /^history\.duckdb/, /^(run|demo)\.json$/, /^weir\.lock$/];
const USERS = /^users\.ya?ml$/;

/**
 * Readings and tokens are for the owner of the data folder: takes everybody else's rights to Weir's files there, also
 * those that earlier versions created. The folder itself becomes private too, unless it holds anything else. Leaves
 * what it may not change.
 */
export function makePrivate(dataDir: string): void {
  const names = readdirSync(dataDir);
  const own = names.filter((name) => OWN.some((pattern) => pattern.test(name)) || USERS.test(name));
  if (own.length === names.length) restrict(dataDir);
  for (const name of own) restrictAll(join(dataDir, name));
}

function restrictAll(path: string): void {
  const isFolder = restrict(path);
  if (!isFolder) return;
  for (const name of readdirSync(path)) restrictAll(join(path, name));
}

/** Returns whether it is a folder. Links stay as they are. */
function restrict(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.isSymbolicLink()) return false;
  const isFolder = stat.isDirectory();
  if ((stat.mode & OTHERS) !== 0 && (isFolder || stat.isFile())) {
    try {
      chmodSync(path, isFolder ? PRIVATE_FOLDER : PRIVATE_FILE);
    } catch {
      // It belongs to somebody else, or the file system has no such rights.
    }
  }
  return isFolder;
}

/** From now on, this process and its servers create files for their owner only. */
export function createPrivately(): void {
  process.umask(OTHERS);
}
