import { expect, test } from "vitest";
import { ingestConfigSchema } from "../../ingest/common/config.ts";
import { exampleMessage } from "./example-message.ts";

test.each([
  ["the usual sources", undefined, { topic: "sensors/north/cold-1/telemetry", payload: '{"temperature": 21.5}' }],
  [
    "bare values",
    [{ topic: "plant/{line}/{device}/{metric}", format: "value" }],
    { topic: "plant/line-1/cold-1/temperature", payload: "21.5" },
  ],
  ["wildcards", [{ topic: "+/{device}/#" }], { topic: "any/cold-1/any", payload: '{"temperature": 21.5}' }],
])("%s", (_, sources, message) => {
  expect(exampleMessage(ingestConfigSchema.parse({ sources }).sources)).toEqual(message);
});
