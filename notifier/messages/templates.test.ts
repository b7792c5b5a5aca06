import { expect, test } from "vitest";
import { parseTemplate } from "../../rule-language/template/template.ts";
import { changeOf, T0 } from "../testing/test-kit.ts";
import { fillAlert, singleBraces, templateSchema } from "./templates.ts";

const change = {
  ...changeOf({ device: "cold-1", atUs: T0, activeAtUs: T0 - 3_900_000_000, labels: { team: "ops" } }),
  value: 8.257,
};

test.each([
  ["names of rule files", "{{ rule }} {{ severity }} {{ state }} {{ condition }}", "hot warning firing > 8"],
  ["labels, keys and annotations", "{{ team }} {{ device }} {{ summary }}", "ops cold-1 cold-1 is warm"],
  ["the value with helpers", "{{ value | fixed 1 }} {{ value | round }}", "8.3 8"],
  ["instants", '{{ at }} {{ active_at | time "Europe/Berlin" }}', "2025-11-22T00:00:00.000Z 23:55:00"],
  ["the time since its start", "{{ for | duration }}", "1h 5m"],
  ["a missing label as empty", "[{{ site2 }}]", "[]"],
  ["a missing label by its default", '[{{ site2 | default "nowhere" }}]', "[nowhere]"],
])("fills in %s", (_, text, filled) => {
  expect(fillAlert(parseTemplate(text), change)).toBe(filled);
});

test("a value that JSON lost is empty, or its default", () => {
  const lost = { ...change, value: JSON.parse(JSON.stringify(Number.NaN)) };
  expect(fillAlert(parseTemplate('{{ value }}{{ value | default "-" }}'), lost)).toBe("-");
});

test("each place is escaped separately, after its helpers", () => {
  const topic = parseTemplate('a/{{ device }}/{{ nothing | default "x/y" }}');
  expect(fillAlert(topic, change, (text) => text.replaceAll("/", "_"))).toBe("a/cold-1/x_y");
});

test.each([
  ["alerts/{rule}/{{ device }}", ["rule"]],
  ["alerts/{{ rule }}", []],
  ["alerts/{{ device | unknown }}", []],
])("single braces in %s", (text, names) => {
  expect(singleBraces(text)).toEqual(names);
});

test.each([
  ["{{ value | fxed 1 }}", /did you mean fixed/],
  ["{{ device", /closed/],
  ["{{ since }}", /called `active_at`; write \{\{ active_at \}\}/],
])("refuses %s", (text, message) => {
  expect(templateSchema(100).safeParse(text).error?.issues[0]?.message).toMatch(message);
});
