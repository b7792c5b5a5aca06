import { beforeAll, expect, test } from "vitest";
import type { z } from "zod";
import { retryReportSchema, retryResultSchema } from "../../contracts/dead-letters.ts";
import * as alerts from "../../contracts/http/alerts.ts";
import { devicesAnswer, ruleActivitySchema, rulesAnswer, seriesSchema } from "../../contracts/http/data.ts";
import { letterSchema, lettersAnswer } from "../../contracts/http/dead-letters.ts";
import { readinessSchema } from "../../contracts/http/gateway.ts";
import { acknowledgementSchema, silenceSchema } from "../../contracts/notifications.ts";
import { MockApi } from "./mock-api.ts";
import { MockWorld } from "./mock-world.ts";

const NOW_US = 1_763_769_600_000_000;
let api: MockApi;
let incident: string;

beforeAll(() => {
  const world = new MockWorld({ devices: 2, hoursBefore: 48, nowUs: () => NOW_US });
  incident = world.change("Dongsi", "firing").incident;
  api = new MockApi(world, () => NOW_US);
});

const ORDER = { by: "Ann", why: "repair", untilUs: NOW_US + 1, matchers: { rule: "by-hand" } };
const SPAN = `from=${Date.UTC(2014, 2, 13) * 1000}&to=${Date.UTC(2014, 2, 14) * 1000}`;

// The page is tested against the mock, so the mock must answer like the gateway.
test.each<[string, string, z.ZodType, unknown?]>([
  [
    "GET",
    `/api/v1/series?device=Dongsi&metric=PM2.5&${SPAN}&points=100`,
    seriesSchema.pick({ atUs: true, count: true }),
  ],
  ["GET", "/api/v1/alerts?state=all&limit=50", alerts.alertsAnswer],
  ["GET", "/api/v1/alerts/INCIDENT", alerts.incidentAnswer],
  ["GET", "/api/v1/alerts/INCIDENT/explanation", alerts.explanationAnswer.pick({ explanation: true })],
  ["GET", "/api/v1/alerts/INCIDENT/deliveries", alerts.deliveriesAnswer],
  ["POST", "/api/v1/alerts/INCIDENT/acknowledge", acknowledgementSchema, { by: "Ann", note: "" }],
  ["POST", "/api/v1/silences", silenceSchema, ORDER],
  ["GET", "/api/v1/silences", alerts.silencesAnswer],
  ["GET", "/api/v1/open-alerts?marked=true", alerts.openAlertsAnswer],
  ["GET", "/api/v1/devices", devicesAnswer],
  ["GET", "/api/v1/rules", rulesAnswer],
  ["GET", "/api/v1/rule-activity", ruleActivitySchema],
  ["GET", "/api/v1/dead-letters", lettersAnswer],
  ["GET", "/api/v1/dead-letters/2", letterSchema],
  ["POST", "/api/v1/dead-letters/4/retry", retryResultSchema, { by: "Ann" }],
  ["POST", "/api/v1/dead-letters/retry", retryReportSchema, { by: "Ann" }],
  ["GET", "/readyz", readinessSchema],
])("the mock answers %s %s like the gateway", (method, path, schema, body) => {
  const url = new URL(path.replace("INCIDENT", encodeURIComponent(incident)), "http://gateway.test");
  const { status, value } = api.answer(method, url, body);
  expect(status).toBe(200);
  // As it arrives, without the undefined members that JSON leaves out.
  schema.parse(JSON.parse(JSON.stringify(value)));
});
