import { batch } from "@preact/signals";

/** Runs a task once before the next paint, however often it is requested. */
export type Frame = (task: () => void) => void;

/**
 * All tasks of a frame run in one batch of signals, so that the page renders once for all of them. Unbatched, each
 * task sees the effects of its signals, such as how long drawing took.
 */
export function createFrame(
  request: (run: () => void) => void,
  { batched = true }: { readonly batched?: boolean } = {},
): Frame {
  const tasks = new Set<() => void>();
  function run(): void {
    const due = [...tasks];
    tasks.clear();
    const runAll = () => {
      for (const task of due) task();
    };
    if (batched) batch(runAll);
    else runAll();
  }
  return (task) => {
    const first = tasks.size === 0;
    tasks.add(task);
    if (first) request(run);
  };
}
