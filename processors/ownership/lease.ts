import type { Log } from "../../platform/log/port.ts";

/** The right to work on a task. It ends by itself when it is not renewed. */
export interface Lease {
  /** Whether nobody else can own the task now. */
  isOpen(): boolean;
  /** Resolves once it is open again; rejects with ConflictError when another may own the task. */
  reopened(): Promise<void>;
}

/**
 * A log that is written only under the lease: what a process wants to write after a pause in which it may have lost its
 * task waits until that is known, and is then refused or goes on.
 */
export function leasedLog(log: Log, lease: Lease): Log {
  async function later<T>(write: () => Promise<T>): Promise<T> {
    await lease.reopened();
    return await write();
  }
  function leased<T>(write: () => Promise<T>): Promise<T> {
    return lease.isOpen() ? write() : later(write);
  }
  return {
    ...log,
    append: (message) => leased(() => log.append(message)),
    records: {
      get: (name) => log.records.get(name),
      set: (name, value, expectRevision) => leased(() => log.records.set(name, value, expectRevision)),
    },
  };
}
