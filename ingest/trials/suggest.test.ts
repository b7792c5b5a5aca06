import { expect, test } from "vitest";
import { sourceListSchema } from "../mapping/source-list.ts";
import { suggestSources } from "./suggest.ts";
import { tryMessage } from "./trial.ts";

function message(topic: string, payload: string) {
  return { topic, payload: Buffer.from(payload), receivedAtUs: 1_757_145_600e6 };
}

test("topics are captured where they differ, and each suggestion is one that weir.yaml accepts", () => {
  const messages = [
    ...["press-1", "press-2"].map((device) => message(`ulm/${device}/telemetry`, '{"oil": 60.5, "ts": 1757145600}')),
    ...["n", "s"].map((wing) => message(`hall/${wing}/lamp/power`, "12")),
    message("tele/plug/SENSOR", '{"Time":"2025-08-02T19:05:00","ENERGY":{"Power":3}}'),
    message("tele/plug/LWT", "Online"),
  ];
  const suggestions = suggestSources(messages);
  expect(suggestions.map(({ source, messages: count }) => [source, count])).toEqual([
    [{ use: "tasmota" }, 2],
    [{ topic: "ulm/{device}/telemetry" }, 2],
    [{ topic: "hall/{device}/lamp/{metric}", format: "value" }, 2],
  ]);
  const sources = sourceListSchema.parse(suggestions.map(({ source }) => source));
  for (const one of messages) {
    const trials = sources.map((source) => tryMessage(source, one));
    expect(trials.some((trial) => trial.kind === "read" && trial.readings.length > 0)).toBe(true);
  }
});
