import type { Log } from "../../platform/log/port.ts";

/** The right to work on a task. It expires unless it is renewed. */
export interface Lease {
  /** Whether no other member can own the task now. */
  isOpen(): boolean;
  /** Resolves once the lease is open again; rejects with ConflictError when another member may own the task. */
  reopened(): Promise<void>;
}

/**
 * A log that accepts writes only under the lease. After a pause, a process may have lost its task: its writes wait
 * until that is known, and are then refused or continue.
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
    appendAll: (messages) => leased(() => log.appendAll(messages)),
    records: {
      get: (name) => log.records.get(name),
      set: (name, value, expectRevision) => leased(() => log.records.set(name, value, expectRevision)),
    },
  };
}
