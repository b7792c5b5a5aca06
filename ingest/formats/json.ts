import { parserBySchema } from "./by-schema.ts";
import type { Format } from "./format.ts";
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
  parser: (context) => parserBySchema(context, "JSON", false) ?? parseJson,
  exactParser: (context) => parserBySchema(context, "JSON", true) ?? parseExactJson,
} as const satisfies Format;
