import { expect, test } from "vitest";
import { parseTemplate } from "../../rule-language/template/template.ts";
import { changeOf, T0 } from "../testing/test-kit.ts";
import { fillAlert } from "./templates.ts";
import { factsOf, textsOf, textTemplates } from "./texts.ts";

const MINUTE = 60_000_000;

const firing = { ...changeOf({ atUs: T0 }), annotations: { summary: "PM2.5 at 187", description: "Stay inside" } };
const resolved = {
  ...changeOf({ state: "resolved", atUs: T0 + 43 * MINUTE, activeAtUs: T0 - MINUTE }),
  ...{ value: 9, worst: 312, title: "PM2.5 at 187", firedAtUs: T0 },
  annotations: { summary: "PM2.5 at 9", description: "Stay inside" },
};

test("the text of an end is that of the beginning, with the worst value and the duration", () => {
  expect(textsOf(firing, textTemplates({}), 0).text).toBe("PM2.5 at 187\nStay inside");
  expect(textsOf(resolved, textTemplates({}), 0).text).toBe("PM2.5 at 187\nWorst: 312. Lasted 43m.\nStay inside");
  expect(factsOf(resolved)).toEqual(
    expect.arrayContaining([
      ["worst", "312"],
      ["value", "9"],
    ]),
  );
});

test("without a worst value it has the duration, and in logs of older versions its own summary", () => {
  const { worst, ...silent } = resolved;
  expect(textsOf(silent, textTemplates({}), 0).text).toBe("PM2.5 at 187\nLasted 43m.\nStay inside");
  const { title, ...older } = silent;
  expect(textsOf(older, textTemplates({}), 0).text).toBe("PM2.5 at 9\nStay inside");
});

test("a change of the severity says what it was", () => {
  const worse = { ...firing, severity: "critical", severityBefore: "warning" } as const;
  expect(textsOf(worse, textTemplates({}), 0).title).toBe("[NOW CRITICAL, WAS WARNING] hot: d1 north");
  expect(textsOf(worse, textTemplates({}), 1).title).toBe("[STILL FIRING] hot: d1 north");
  expect(factsOf(worse)).toContainEqual(["severity", "critical (was warning)"]);
});

test("templates know the incident's title and its worst value, unless an annotation has that name", () => {
  const template = parseTemplate("{{ title }}: {{ worst | fixed 1 }}");
  expect(fillAlert(template, resolved)).toBe("PM2.5 at 187: 312.0");
  expect(fillAlert(template, { ...resolved, annotations: { title: "own" } })).toBe("own: 312.0");
  expect(fillAlert(template, firing)).toBe(": ");
});
