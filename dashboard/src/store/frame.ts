import { batch } from "@preact/signals";

/** Runs a task once before the next paint, however often it was asked for. */
export type Frame = (task: () => void) => void;

/** All tasks of a frame run in one batch of signals, so the page renders once for them. */
export function createFrame(request: (run: () => void) => void): Frame {
  const tasks = new Set<() => void>();
  function run(): void {
    const due = [...tasks];
    tasks.clear();
    batch(() => {
      for (const task of due) task();
    });
  }
  return (task) => {
    const first = tasks.size === 0;
    tasks.add(task);
    if (first) request(run);
  };
}
