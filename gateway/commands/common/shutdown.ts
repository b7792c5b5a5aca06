/** Together with ending nats-server at the exit, a stop takes at most 20 s. */
const STOP_MS_MAX = 15_000;
/** Under npm, a Ctrl-C arrives twice, from the terminal and from npm: signals this close together count as one. */
const SAME_SIGNAL_MS = 2_000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Resolves at the first signal to stop, or when the parent process is gone, if it has a channel to this one. A second
 * signal some time later ends the process at once.
 */
export function stopRequested(): Promise<void> {
  let firstAtMs: number | undefined;
  return new Promise((resolve) => {
    // The listeners remain: without one, a second signal would end the process in the middle of its stop.
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        firstAtMs ??= performance.now();
        if (performance.now() - firstAtMs > SAME_SIGNAL_MS) process.exit(1);
        resolve();
      });
    }
    process.once("disconnect", resolve);
    if (process.connected === false) resolve();
  });
}

/** Stops, or ends the process if that takes too long. `busy` names what the stop waits for. */
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
