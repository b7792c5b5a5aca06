const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

const SIZE = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB|TiB)$/;

/** Bytes of a text like `64MiB`, `1.5GiB` or `256B`; undefined when it is not a size. */
export function parseSizeBytes(text: string): number | undefined {
  const [, amount = "", unit = ""] = SIZE.exec(text) ?? [];
  const perUnit = UNITS[unit];
  return perUnit === undefined ? undefined : Math.round(Number(amount) * perUnit);
}

/** The shortest exact text of a size: 65,536 bytes are `64KiB`. */
export function formatSizeBytes(bytes: number): string {
  const fitting = Object.entries(UNITS).filter(([, perUnit]) => bytes >= perUnit && bytes % perUnit === 0);
  const [unit, perUnit] = fitting.at(-1) ?? ["B", 1];
  return `${bytes / perUnit}${unit}`;
}
