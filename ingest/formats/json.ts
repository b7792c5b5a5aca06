import { parserBySchema } from "./by-schema.ts";
import type { Format, Parse } from "./format.ts";
import { parseExactJson, parseJson } from "./payload-text.ts";

export const JSON_FORMAT = {
  kind: "tree",
  doc: "an object or an array of objects, also one per line",
  example: {
    payload: '[{ "ts": 1763769600, "temperature": 21.5, "door": { "open": false } }, { "mode": "eco", "fan": null }]',
    readings: [
      ["temperature", 21.5],
      ["door.open", false],
      ["mode", "eco"],
    ],
  },
  needsMetric: false,
  schema: "optional",
  parser: (context) => parserBySchema(context, "JSON", false) ?? opened(parseJson),
  exactParser: (context) => parserBySchema(context, "JSON", true) ?? opened(parseExactJson),
} as const satisfies Format;

/** Also reads JSON that was written twice: a text that is JSON itself. */
function opened(parse: Parse): Parse {
  return (payload) => {
    const parsed = parse(payload);
    const { value } = parsed;
    if (typeof value !== "string" || !/^\s*[{[]/.test(value)) return parsed;
    return parse(Buffer.from(value));
  };
}
