/** A process' own time: it runs on while the process is stopped, and is never compared with another's. */
export interface ProcessTime {
  nowMs(): number;
  /** Calls later. Returns how to cancel it. */
  after(ms: number, call: () => void): () => void;
}

export const processTime: ProcessTime = {
  nowMs: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};
