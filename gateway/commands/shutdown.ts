const STOP_MS_MAX = 20_000;
/** Ctrl-C under npm comes from the terminal and from the one who started us: signals so close together are one. */
const SAME_SIGNAL_MS = 2_000;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Resolves at the first SIGINT or SIGTERM; one that comes some time later ends the process at once. */
export function toldToStop(): Promise<void> {
  let toldAtMs: number | undefined;
  return new Promise((resolve) => {
    // The listeners stay: without one, a signal would end the process in the middle of its stop.
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        toldAtMs ??= performance.now();
        if (performance.now() - toldAtMs > SAME_SIGNAL_MS) process.exit(1);
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
