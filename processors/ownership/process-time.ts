/** A process's own time: it keeps running while the process is stopped, and is never compared with another's. */
export interface ProcessTime {
  nowMs(): number;
  /** Schedules a call. Returns a function that cancels it. */
  after(ms: number, call: () => void): () => void;
}

export const processTime: ProcessTime = {
  nowMs: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};
