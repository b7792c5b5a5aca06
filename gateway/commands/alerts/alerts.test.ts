import { expect, test } from "vitest";
import type { OpenAlert } from "../../../contracts/notifications.ts";
import { alertLines, checkLabels } from "./alerts.ts";
import { parseMatchers } from "./ask-notifier.ts";
import { spanOf } from "./silences.ts";

const NOW = Date.UTC(2026, 10, 22, 8) * 1_000;
const HOUR = 3_600_000_000;

test("labels as they are typed", () => {
  expect(parseMatchers(["device=cold-*", "site=north,south", "note=a=b"])).toEqual({
    device: "cold-*",
    site: ["north", "south"],
    note: "a=b",
  });
  for (const bad of ["device", "=x", "device="]) expect(() => parseMatchers([bad])).toThrow("is not label=value");
  expect(() => parseMatchers(["a=1", "a=2"])).toThrow("write a=a,b for either");
});

test.each([
  [{ for: "2h" }, [NOW, NOW + 2 * HOUR]],
  [{ from: "30m", for: "1h" }, [NOW + HOUR / 2, NOW + 1.5 * HOUR]],
  [{ until: "2026-11-22T10:00:00Z" }, [NOW, NOW + 2 * HOUR]],
  [{ from: "2026-11-22T09:00:00Z", until: "3h" }, [NOW + HOUR, NOW + 3 * HOUR]],
])("the span of %j", (flags, [fromUs, untilUs]) => {
  expect(spanOf(flags, NOW)).toEqual({ fromUs, untilUs });
});

test.each([
  [{}, "either --for"],
  [{ for: "1h", until: "2h" }, "either --for"],
  [{ for: "soon" }, "--for soon is not a duration"],
  [{ until: "tomorrow" }, "--until tomorrow is not a time"],
])("no span: %j", (flags, message) => {
  expect(() => spanOf(flags, NOW)).toThrow(message);
});

const OPEN: OpenAlert = {
  incident: "warm-1-2",
  rule: "warm",
  severity: "critical",
  state: "firing",
  value: 9,
  labels: { team: "ops" },
  key: { device: "cold-7", site: "north" },
  annotations: {},
  activeAtUs: NOW - HOUR,
  atUs: NOW,
  silencedBy: [],
  inhibitedBy: [],
};

test("a label that no open alert has is named, with the one that was meant", () => {
  expect(() => checkLabels(["devce"], [OPEN])).toThrow(
    'no open alert has the label devce; did you mean "device"? (labels: device, rule, severity, site, team)',
  );
  for (const known of ["device", "site", "team", "rule", "severity"]) {
    expect(() => checkLabels([known], [OPEN])).not.toThrow();
  }
  expect(() => checkLabels(["devce"], [])).not.toThrow();
  expect(alertLines([], NOW, ["device=x"])).toEqual(["nothing is open with device=x"]);
});

test("an open alert shows its text, its group and its age, and no control character of a device", () => {
  const alert: OpenAlert = {
    incident: "warm-1-2",
    rule: "warm",
    severity: "critical",
    state: "firing",
    value: 9,
    labels: {},
    key: { device: "cold-\u001b[31m7", site: "north" },
    annotations: { summary: "cold-7 at 9 degC" },
    activeAtUs: NOW - HOUR,
    atUs: NOW,
    silencedBy: ["s1"],
    inhibitedBy: [],
  };
  const lines = alertLines([alert, { ...alert, annotations: {}, silencedBy: [] }], NOW).map((line) => line.split("\n"));
  const group = "warm device=cold-\ufffd[31m7 site=north";
  expect(lines[0]?.map((line) => line.trim())).toEqual([
    "firing   critical cold-7 at 9 degC",
    `${group}; value 9; for 1h; silenced by s1`,
    "warm-1-2",
  ]);
  expect(lines[1]?.[0]).toContain(group);
});

test("acknowledged alerts are listed apart, with the note", () => {
  const acknowledgement = { incident: "warm-1-3", by: "ann", note: "on my way", atUs: NOW };
  const taken: OpenAlert = { ...OPEN, incident: "warm-1-3", acknowledgement };
  const lines = alertLines([taken, OPEN], NOW).join("\n");
  const places = ["warm-1-2", "acknowledged, 1 of 2:", "acknowledged by ann: on my way", "warm-1-3"];
  expect(places.map((text) => lines.indexOf(text))).toEqual(
    places.map((text) => lines.indexOf(text)).sort((a, b) => a - b),
  );
  expect(places.every((text) => lines.includes(text))).toBe(true);
  expect(alertLines([OPEN], NOW).join()).not.toContain("acknowledged");
});
