/** With the time that it takes to end nats-server at the exit, a stop is over in 20 s. */
const STOP_MS_MAX = 15_000;
/** Ctrl-C under npm comes from the terminal and from the one who started us: signals so close together are one. */
const SAME_SIGNAL_MS = 2_000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Resolves at the first signal to stop, or when the process that started us and kept a channel to us is gone. A signal
 * that comes some time later ends the process at once.
 */
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
    process.once("disconnect", resolve);
    if (process.connected === false) resolve();
  });
}

/** Stops, or ends the process when that takes too long. `busy` names what the stop waits for. */
export async function stopInTime(
  stop: () => Promise<void>,
  busy: () => string | undefined = () => undefined,
): Promise<void> {
  const overdue = setTimeout(() => {
    const name = busy();
    const what = name === undefined ? "" : `: ${name} has not stopped in ${STOP_MS_MAX / 1_000} s`;
    process.stderr.write(
      `Stopping takes too long${what} (is the disk full, or NATS away?). Ending now; what was acknowledged is kept.\n`,
    );
    process.exit(1);
  }, STOP_MS_MAX);
  try {
    await stop();
  } finally {
    clearTimeout(overdue);
  }
}
