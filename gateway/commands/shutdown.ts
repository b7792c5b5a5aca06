const STOP_MS_MAX = 20_000;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Resolves at the first SIGINT or SIGTERM; a later one ends the process at once. */
export function toldToStop(): Promise<void> {
  let told = false;
  return new Promise((resolve) => {
    // The listeners stay: without one, a signal would end the process in the middle of its stop.
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (told) process.exit(1);
        told = true;
        resolve();
      });
    }
  });
}

/** Stops, or ends the process when that takes too long. */
export async function stopInTime(stop: () => Promise<void>): Promise<void> {
  const overdue = setTimeout(() => {
    process.stderr.write("Stopping takes too long; ending now. What was acknowledged is kept.\n");
    process.exit(1);
  }, STOP_MS_MAX);
  await stop();
  clearTimeout(overdue);
}
