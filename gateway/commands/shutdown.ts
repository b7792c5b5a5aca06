const STOP_MS_MAX = 20_000;

/** Waits for SIGINT or SIGTERM, then stops; a second signal, or too long a stop, ends the process at once. */
export async function stopOnSignal(stop: () => Promise<void>, onStopping: () => void): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  onStopping();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));
  const overdue = setTimeout(() => {
    process.stderr.write("Stopping takes too long; ending now. What was acknowledged is kept.\n");
    process.exit(1);
  }, STOP_MS_MAX);
  await stop();
  clearTimeout(overdue);
}
