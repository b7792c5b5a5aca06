import picomatch from "picomatch";

/** Whether a metric's name fits one of some names or globs. */
export function compileMetricFilter(metrics: string | readonly string[]): (metric: string) => boolean {
  if (metrics === "*") return () => true;
  const isMatch = picomatch(typeof metrics === "string" ? metrics : [...metrics], { dot: true });
  const known = new Map<string, boolean>();
  return (metric) => {
    let wanted = known.get(metric);
    if (wanted === undefined) {
      wanted = isMatch(metric);
      if (known.size < NAMES_MAX) known.set(metric, wanted);
    }
    return wanted;
  };
}

const NAMES_MAX = 10_000;
