import { parse } from "csv-parse/sync";
import { z } from "zod";
import { reasonOf } from "../../domain/reason.ts";
import { shownName } from "../names/names.ts";
import { setField } from "./binary/byte-reader.ts";
import type { Format, FormatContext, Parse, Parsed, PayloadProblem } from "./format.ts";
import { decodeUtf8 } from "./payload-text.ts";

const optionsSchema = z.strictObject({
  separator: z.string().length(1).default(",").describe("The character between two cells."),
  quote: z.string().length(1).default('"').describe("The character around a cell that contains separators."),
  columns: z
    .array(z.string().min(1))
    .min(1)
    .max(10_000)
    .optional()
    .describe("The names of the columns. Without it, the first row of each message has them."),
});

export const CSV_FORMAT = {
  kind: "tree",
  doc: "rows of comma-separated values; the columns have names",
  example: {
    payload: "door,mode\nopen,eco\nclosed,off\n",
    readings: [
      ["door", "open"],
      ["mode", "eco"],
      ["door", "closed"],
      ["mode", "off"],
    ],
  },
  needsMetric: false,
  options: optionsSchema,
  parser: (context) => parserOf(context),
} as const satisfies Format;

type Options = z.output<typeof optionsSchema>;

function parserOf({ limits, options }: FormatContext): Parse {
  const given = optionsSchema.parse(options ?? {});
  return (payload) => {
    const text = decodeUtf8(payload);
    if (text === undefined) return { problem: { reason: "bad-payload", detail: "the payload is not UTF-8 text" } };
    return parseRows(text, given, limits.readingsMax);
  };
}

/** `[{ column: cell }]`; cells are texts. A row with other than one cell for each column costs itself alone. */
function parseRows(text: string, options: Options, rowsMax: number): Parsed {
  let rows: string[][];
  try {
    // One more than allowed, and the header, show whether there are more.
    rows = parse(text, { ...CSV, delimiter: options.separator, quote: options.quote, to: rowsMax + 2 });
  } catch (error) {
    return { problem: { reason: "bad-payload", detail: `not CSV: ${reasonOf(error)}` } };
  }
  const columns = options.columns ?? rows.shift();
  if (columns === undefined) return { value: [] };
  if (new Set(columns).size < columns.length) {
    return { problem: { reason: "bad-payload", detail: "two columns have one name" } };
  }
  const value: Record<string, string>[] = [];
  let problem: PayloadProblem | undefined;
  for (const [i, row] of rows.entries()) {
    if (i === rowsMax) {
      problem ??= { reason: "too-large", detail: `more than ${rowsMax} rows in one message` };
      break;
    }
    if (row.length === columns.length) value.push(objectOf(columns, row));
    else problem ??= { reason: "bad-payload", detail: wrongCells(i, row, columns) };
  }
  return problem === undefined ? { value } : { value, problem };
}

const CSV = { bom: true, relax_column_count: true, skip_empty_lines: true, trim: true } as const;

function objectOf(columns: readonly string[], row: readonly string[]): Record<string, string> {
  const object: Record<string, string> = {};
  for (let i = 0; i < columns.length; i++) setField(object, columns[i] ?? "", row[i] ?? "");
  return object;
}

function wrongCells(i: number, row: readonly string[], columns: readonly string[]): string {
  const begin = shownName(row[0] ?? "");
  return `row ${i + 1}, which begins with ${begin}, has ${row.length} cells; there are ${columns.length} columns`;
}
