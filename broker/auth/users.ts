import { readFile } from "node:fs/promises";
import { reasonOf } from "../../domain/reason.ts";
import { onFileChange } from "../../platform/files/file-watch.ts";
import type { BrokerEvents } from "../common/events.ts";
import { NO_USERS, parseUsers, type User, type Users, UsersFileError } from "./users-file.ts";

/** The current users: those of the newest valid version of the users file. */
export interface LiveUsers {
  current(): Users;
  /** Reads the file now, and reports the users that changed to `onChange`. */
  reload(): Promise<void>;
  stop(): void;
}

/**
 * Reads the users file and follows its changes.
 * @throws UsersFileError if the file cannot be read or is invalid at the start
 */
export async function followUsers(options: {
  readonly file: string | undefined;
  readonly events: BrokerEvents;
  /** Names of users that were removed, or whose password or topics changed. */
  readonly onChange: (names: ReadonlySet<string>) => void;
}): Promise<LiveUsers> {
  const { file, events, onChange } = options;
  if (file === undefined) return { current: () => NO_USERS, reload: async () => {}, stop: () => {} };
  let users = await load(file);
  events.usersLoaded(file, users.byName.size);

  async function reload(path: string): Promise<void> {
    try {
      const newer = await load(path);
      const changed = changedNames(users, newer);
      users = newer;
      events.usersLoaded(path, users.byName.size);
      if (changed.size > 0) onChange(changed);
    } catch (error) {
      if (!(error instanceof UsersFileError)) throw error;
      events.usersNotLoaded(path, error.message.split("\n"));
    }
  }

  const stop = onFileChange(file, () => void reload(file));
  return { current: () => users, reload: () => reload(file), stop };
}

/** The user name of clients that send none. */
export const ANONYMOUS = "";

async function load(file: string): Promise<Users> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new UsersFileError(`${file}: cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  const parsed = parseUsers(text, file);
  if (parsed.kind === "faults") throw new UsersFileError(parsed.faults.join("\n"));
  return parsed.users;
}

function changedNames(before: Users, after: Users): ReadonlySet<string> {
  const changed = new Set<string>();
  for (const [name, user] of before.byName) if (!same(user, after.byName.get(name))) changed.add(name);
  if (JSON.stringify(before.anonymous) !== JSON.stringify(after.anonymous)) changed.add(ANONYMOUS);
  return changed;
}

function same(a: User, b: User | undefined): boolean {
  if (b === undefined) return false;
  const text = (user: User) => JSON.stringify([user.password.text, user.publish, user.subscribe]);
  return text(a) === text(b);
}
