import type { Tags } from "../../domain/reading.ts";

const PLACE = /\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}/g;

/** Fills `{{ value }}` and `{{ label }}` in; a name that is not known stays as it stands. */
export function fillAnnotations(
  annotations: Readonly<Record<string, string>>,
  labels: Tags,
  value: number | string,
): Record<string, string> {
  const filled: Record<string, string> = {};
  for (const [name, text] of Object.entries(annotations)) {
    filled[name] = text.replace(PLACE, (place, word: string) =>
      word === "value" ? formatValue(value) : (labels[word] ?? place),
    );
  }
  return filled;
}

/** At most four significant decimals, without trailing zeros. */
function formatValue(value: number | string): string {
  if (typeof value === "string") return value;
  return String(Number(value.toPrecision(Math.abs(value) >= 1000 ? 7 : 4)));
}
