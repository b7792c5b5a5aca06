import { type ReadonlySignal, signal } from "@preact/signals";

/** Whether the page is being printed: paper has no window, so everything must be there. */
export const printing: ReadonlySignal<boolean> = followPrinting();

function followPrinting(): ReadonlySignal<boolean> {
  const state = signal(false);
  if (typeof window === "undefined") return state;
  const query = window.matchMedia("print");
  query.addEventListener("change", () => {
    state.value = query.matches;
  });
  // Before the page is laid out for paper, which is too late for a change.
  window.addEventListener("beforeprint", () => {
    state.value = true;
  });
  window.addEventListener("afterprint", () => {
    state.value = false;
  });
  return state;
}
