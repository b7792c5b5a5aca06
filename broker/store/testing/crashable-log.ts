import type { Log } from "../../../platform/log/port.ts";

/** A log that a crash cuts off: after it nothing is stored, answered or read, as if the process had ended. */
export function crashable(log: Log): { readonly log: Log; readonly crash: () => void } {
  let isCrashed = false;
  const closers = new Set<() => Promise<void>>();
  const never = new Promise<never>(() => {});

  function guarded<Args extends unknown[], Result>(act: (...args: Args) => Promise<Result>) {
    return async (...args: Args): Promise<Result> => {
      if (isCrashed) return await never;
      try {
        const result = await act(...args);
        return isCrashed ? await never : result;
      } catch (error) {
        if (isCrashed) return await never;
        throw error;
      }
    };
  }

  const cut: Log = {
    ...log,
    append: guarded((message) => log.append(message)),
    appendAll: guarded((messages) => log.appendAll(messages)),
    readEach: guarded((stream, sequences) => log.readEach(stream, sequences)),
    lastFor: guarded((stream, subject) => log.lastFor(stream, subject)),
    newest: guarded((stream) => log.newest(stream)),
    bounds: guarded((stream) => log.bounds(stream)),
    purge: guarded((stream, subject, beforeSequence) => log.purge(stream, subject, beforeSequence)),
    countBySubject: guarded((stream, pattern) => log.countBySubject(stream, pattern)),
    read(query) {
      if (isCrashed) return { close: async () => {}, [Symbol.asyncIterator]: () => ({ next: () => never }) };
      const reader = log.read(query);
      const close = () => reader.close();
      closers.add(close);
      return {
        close,
        async *[Symbol.asyncIterator]() {
          for await (const batch of reader) {
            if (isCrashed) break;
            yield batch;
          }
          if (isCrashed) await never;
        },
      };
    },
  };
  return {
    log: cut,
    crash() {
      isCrashed = true;
      for (const close of closers) void close();
    },
  };
}
