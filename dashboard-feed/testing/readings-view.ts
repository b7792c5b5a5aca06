import { Progress } from "../views/progress.ts";
import { ReadingsView, type ReadingsViewOptions } from "../views/readings-view.ts";

/** A readings view for tests. */
export function makeReadingsView(options: Partial<ReadingsViewOptions> = {}): ReadingsView {
  return new ReadingsView({
    progress: new Progress(),
    seriesMax: 1_000,
    devicesMax: 100,
    onOverflow: () => {},
    onEvicted: () => {},
    ...options,
  });
}
