import { expect, test } from "vitest";
import type { AlertChange } from "./alert.ts";
import { incidentFacts } from "./incident.ts";

function change(about: Partial<AlertChange>): AlertChange {
  return {
    ...{ id: "0-1-0", incident: "hot-1", rule: "hot", severity: "warning", from: "inactive", state: "firing" },
    ...{ key: { device: "a" }, labels: { device: "a" }, annotations: {}, atUs: 10e6, processedAtUs: 1 },
    ...{ activeAtUs: 5e6, value: 1, notify: [] },
    evidence: {
      ...{ window: { startUs: 0, endUs: 1 }, aggregate: "avg", value: 1, condition: "> 8", watermarkUs: 1 },
      input: { partition: 0, sequence: 1 },
    },
    ...about,
  } as AlertChange;
}

test("the last change alone has the facts of an incident that has ended", () => {
  const facts = { title: "PM2.5 at 187", firedAtUs: 10e6, worst: 312 };
  const resolved = change({ from: "firing", state: "resolved", annotations: { summary: "PM2.5 at 9" }, ...facts });
  expect(incidentFacts([{ ...resolved, atUs: 70e6 }])).toEqual({
    ...{ incident: "hot-1", rule: "hot", severity: "warning", state: "resolved" },
    ...{ key: { device: "a" }, labels: { device: "a" }, activeAtUs: 5e6 },
    ...{ aggregate: "avg", title: "PM2.5 at 187", firedAtUs: 10e6, endedAtUs: 70e6, durationS: 60, worst: 312 },
  });
});

test("in a log of an older version the change to firing has the title and the time", () => {
  const changes = [
    change({ state: "pending", atUs: 5e6, annotations: { summary: "at 100" } }),
    change({ from: "pending", annotations: { summary: "at 187" } }),
    change({ from: "firing", state: "resolved", atUs: 40e6, annotations: { summary: "at 9" } }),
  ];
  expect(incidentFacts(changes)).toMatchObject({ title: "at 187", firedAtUs: 10e6, durationS: 30 });
  expect(incidentFacts(changes.slice(2))).toMatchObject({ title: "at 9", durationS: 35 });
});

test("an open incident has no end, and one that never fired lasts from its first change", () => {
  expect(incidentFacts([change({})])).not.toHaveProperty("durationS");
  const ended = incidentFacts([change({ from: "pending", state: "inactive", atUs: 8e6 })]);
  expect(ended).toMatchObject({ endedAtUs: 8e6, durationS: 3 });
  expect(ended).not.toHaveProperty("firedAtUs");
  expect(incidentFacts([])).toBeUndefined();
});
