const LINES_MAX = 2_000;

/** Lines of a schema: JSON is laid out, one field a line. */
export function prettySchema(text: string): string[] {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2).split("\n");
  } catch {
    return text.split("\n").map((line) => line.trimEnd());
  }
}

/** `-` before lines that are only in the first text, `+` before those only in the second; others are left out. */
export function diffLines(before: readonly string[], after: readonly string[]): string[] {
  const [from, to] = [before.slice(0, LINES_MAX), after.slice(0, LINES_MAX)];
  const common = commonLengths(from, to);
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < from.length || j < to.length) {
    if (i < from.length && j < to.length && from[i] === to[j]) {
      i++;
      j++;
    } else if (j >= to.length || (i < from.length && (common[i + 1]?.[j] ?? 0) >= (common[i]?.[j + 1] ?? 0))) {
      lines.push(`- ${from[i++]}`);
    } else lines.push(`+ ${to[j++]}`);
  }
  return lines;
}

/** `[i][j]`: how many lines the rests from i and from j have in common, in order. */
function commonLengths(from: readonly string[], to: readonly string[]): readonly Uint16Array[] {
  const lengths = Array.from({ length: from.length + 1 }, () => new Uint16Array(to.length + 1));
  for (let i = from.length - 1; i >= 0; i--) {
    for (let j = to.length - 1; j >= 0; j--) {
      const [row, next] = [lengths[i] as Uint16Array, lengths[i + 1] as Uint16Array];
      row[j] = from[i] === to[j] ? (next[j + 1] ?? 0) + 1 : Math.max(next[j] ?? 0, row[j + 1] ?? 0);
    }
  }
  return lengths;
}
