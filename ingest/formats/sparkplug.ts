import type { Format } from "./format.ts";

export const SPARKPLUG_FORMAT = {
  kind: "samples",
  doc: "Sparkplug B; the device is the edge node or its device, and metrics keep their names with slashes",
  example: {
    // A timestamp, and a metric: its name, its time, the data type Double, and 21.5.
    payload: Buffer.from(
      "0880b0a19abd33" + "121a" + "0a066d6574726963" + "1880b0a19abd33" + "200a" + "690000000000803540",
      "hex",
    ),
    readings: [["metric", 21.5]],
  },
  needsMetric: false,
  reader({ sparkplug }) {
    if (sparkplug === undefined) throw new RangeError("there is no host application of Sparkplug here");
    return sparkplug;
  },
} as const satisfies Format;
