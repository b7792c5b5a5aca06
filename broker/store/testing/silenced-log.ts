import type { Log, LogReader, ReadQuery } from "../../../platform/log/port.ts";

/** A log whose matching readings give nothing until they are closed. */
export function silenced(log: Log, isSilent: (query: ReadQuery) => boolean): Log {
  return { ...log, read: (query) => (isSilent(query) ? silentReader() : log.read(query)) };
}

function silentReader(): LogReader {
  let close: () => void = () => {};
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  return {
    close: async () => close(),
    // biome-ignore lint/correctness/useYield: it gives nothing
    async *[Symbol.asyncIterator]() {
      await closed;
    },
  };
}
