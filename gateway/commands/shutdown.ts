const STOP_MS_MAX = 20_000;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Waits for SIGINT or SIGTERM, then stops; a later signal, or too long a stop, ends the process at once. */
export async function stopOnSignal(stop: () => Promise<void>, onStopping: () => void): Promise<void> {
  let stopping = false;
  await new Promise<void>((resolve) => {
    // The listeners stay: without one, a signal would end the process in the middle of its stop.
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (stopping) process.exit(1);
        stopping = true;
        resolve();
      });
    }
  });
  onStopping();
  const overdue = setTimeout(() => {
    process.stderr.write("Stopping takes too long; ending now. What was acknowledged is kept.\n");
    process.exit(1);
  }, STOP_MS_MAX);
  await stop();
  clearTimeout(overdue);
}
