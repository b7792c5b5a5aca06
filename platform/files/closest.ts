/** The candidate that a misspelt word most likely means; undefined when none is close. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const wanted = plain(word);
  let best: string | undefined;
  // A third of the letters may be wrong.
  let bestDistance = Math.max(1, Math.floor(Math.max(wanted.length, 3) / 3)) + 1;
  for (const candidate of candidates) {
    const distance = distanceOf(wanted, plain(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** The value that a misspelt name means, or the glob that a misspelt glob means. */
export function nearestTo(pattern: string, values: readonly string[]): string | undefined {
  const [prefix = ""] = pattern.split(/[*?]/, 1);
  if (prefix === pattern) return closest(pattern, values);
  const near = closest(prefix, [...new Set(values.map((value) => value.slice(0, prefix.length)))]);
  return prefix === "" || near === undefined || near === prefix
    ? undefined
    : `"${near}${pattern.slice(prefix.length)}"`;
}

/** Treats `groupBy`, `group-by` and `Group_By` as one word. */
function plain(word: string): string {
  return word.toLowerCase().replace(/[-_\s]/g, "");
}

/** The number of letters to insert, delete, replace, or swap with their neighbour (optimal string alignment). */
function distanceOf(a: string, b: string): number {
  let twoAbove: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (twoAbove[j - 2] ?? 0) + 1);
      row.push(least);
    }
    twoAbove = above;
    above = row;
  }
  return above[b.length] ?? 0;
}
