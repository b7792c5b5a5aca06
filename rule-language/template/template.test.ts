import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { textOf } from "../../platform/files/fault.ts";
import { fillTemplate, parseTemplate, type TemplateValue } from "./template.ts";
import { TEMPLATE_TEXTS } from "./template-texts.ts";

const AT_US = Date.UTC(2026, 2, 29, 1, 30) * 1_000 + 250_000;
const VALUES: Readonly<Record<string, TemplateValue>> = {
  value: 12_345.678_9,
  small: 0.123,
  zero: 0,
  minus: -0.04,
  seconds: 3_900,
  nothing: Number.NaN,
  word: "open",
  device: "Cold-1",
  at: { atUs: AT_US },
};

function fill(text: string): string {
  return fillTemplate(parseTemplate(text), (name) => (Object.hasOwn(VALUES, name) ? VALUES[name] : undefined));
}

test.each([
  ["a value", "{{ value }}", "12345.68"],
  ["one of four digits", "{{ small }} {{seconds}}", "0.123 3900"],
  ["labels", "{{ device }} is {{word}}", "Cold-1 is open"],
  ["unknown names", "{{ site }} {{ site | upper }}", "{{ site }} {{ site | upper }}"],
  ["a default for a missing label", '{{ site | default "nowhere" }}', "nowhere"],
  ["helpers around a default", "{{ site | upper | default 'x' | upper }}", "X"],
  ["no default for an existing value", '{{ zero | default "none" }}{{ word | default "none" }}', "0open"],
  ["a default for a missing value", "{{ nothing | default '-' }}{{ nothing | fixed 1 }}", "-NaN"],
  ["fixed", "{{ value | fixed 1 }} {{ value | fixed 0 }} {{ small | fixed 5 }}", "12345.7 12346 0.12300"],
  ["negative zero", "{{ minus | fixed 1 }} {{ minus | round }} {{ minus | fixed 2 }}", "0.0 0 -0.04"],
  ["round", "{{ value | round 2 }} {{ seconds | round 2 }} {{ value | round }}", "12345.68 3900 12346"],
  ["percent", "{{ small | percent 1 }} {{ small | percent }}", "12.3 % 12 %"],
  ["durations", "{{ seconds | duration }} {{ small | duration }} {{ zero | duration }}", "1h 5m 0.123s 0s"],
  ["thousands", "{{ value | si }} {{ small | si }} {{ zero | si }}", "12.3k 123m 0"],
  ["letters", "{{ device | upper }} {{ device | lower }}", "COLD-1 cold-1"],
  ["several helpers", "{{ device | lower | upper }}", "COLD-1"],
  [
    "texts, which helpers for numbers leave unchanged",
    "{{ word | fixed 1 }}{{ word | si }}{{ word | duration }}",
    "openopenopen",
  ],
  ["instants", "{{ at }}", "2026-03-29T01:30:00.250Z"],
  ["instants in UTC", "{{ at | date }} {{ at | time }}", "2026-03-29 01:30:00"],
  ["local instants", `{{ at | date "Asia/Tokyo" }} {{ at | time 'Europe/Berlin' }}`, "2026-03-29 03:30:00"],
  ["texts in quotes", `{{ "{{ }}" }} {{ '|' | upper }}`, "{{ }} |"],
  ["no other braces", "a } b }} { c", "a } b }} { c"],
  ["several lines", "a\n{{ word }}\nb", "a\nopen\nb"],
  ["apostrophes in the surrounding text", "{{ word }}'s {{ device }}'s", "open's Cold-1's"],
])("fills %s in", (_, text, expected) => {
  expect(parseTemplate(text).faults).toEqual([]);
  expect(fill(text)).toBe(expected);
});

describe("helpers, over a range of values", () => {
  const shown = (value: number, helper: string) => fillTemplate(parseTemplate(`{{ v | ${helper} }}`), () => value);

  test.each([
    [0.000_4, "0s"],
    [0.25, "0.25s"],
    [59.9994, "59.999s"],
    [59.9996, "1m"],
    [60, "1m"],
    [65.4, "1m 5s"],
    [3_599.6, "1h"],
    [3_661, "1h 1m"],
    [86_399, "1d"],
    [90_000, "1d 1h"],
    [864_000, "10d"],
    [-65, "-1m 5s"],
  ])("%f s are %s", (seconds, text) => {
    expect(shown(seconds, "duration")).toBe(text);
  });

  test.each([
    [1, "1"],
    [999.4, "999"],
    [999.6, "1k"],
    [999_600, "1M"],
    [12_300, "12.3k"],
    [-1_500_000, "-1.5M"],
    [0.0023, "2.3m"],
    [4.56e-7, "456n"],
    [1e25, "10000000E"],
  ])("%f is %s", (value, text) => {
    expect(shown(value, "si")).toBe(text);
  });

  test("the formatted value is close to the value", () => {
    const units: Record<string, number> = { d: 86_400, h: 3_600, m: 60, s: 1 };
    const prefixes: Record<string, number> = { k: 1e3, M: 1e6, G: 1e9, m: 1e-3, µ: 1e-6 };
    fc.assert(
      fc.property(fc.double({ min: 1e-5, max: 1e9, noNaN: true }), (value) => {
        const parts = [...shown(value, "duration").matchAll(/([\d.]+)([dhms])/g)];
        const seconds = parts.reduce((sum, [, n, unit = "s"]) => sum + Number(n) * (units[unit] ?? 0), 0);
        expect(Math.abs(seconds - value)).toBeLessThanOrEqual(value < 60 ? 0.0005001 : value / 25);
        const [, digits, prefix = ""] = /^([\d.]+)([kMGmµ]?)$/.exec(shown(value, "si")) ?? [];
        expect(Math.abs(Number(digits) * (prefixes[prefix] ?? 1) - value)).toBeLessThanOrEqual(value * 0.005_001);
        expect(Number(digits)).toBeLessThan(1_000);
      }),
      { numRuns: 2_000 },
    );
  });
});

test.each([
  ["{{ value | fxed 1 }}", "unknown helper `fxed`", "did you mean fixed?"],
  ["{{ value | humanize }}", "unknown helper `humanize`", "did you mean si?"],
  ['{{ value | printf "%.1f" }}', "unknown helper `printf`", "did you mean fixed?"],
  ["{{ value | fixed(1) }}", "`fixed(1)` has brackets", "write the argument after the helper: {{ value | fixed 1 }}"],
  ["{{ value | fixed }}", "`fixed` needs a number of decimals", "write for example {{ value | fixed 1 }}"],
  [
    "{{ value | fixed one }}",
    '"one" is not a number of decimals from 0 to 15',
    "write for example {{ value | fixed 1 }}",
  ],
  [
    "{{ value | round 99 }}",
    '"99" is not a number of decimals from 0 to 15',
    "write for example {{ value | round 2 }}",
  ],
  [
    "{{ value | si 3 }}",
    'unexpected "3" after `si`',
    "write for example {{ value | si }}; put another helper after a |",
  ],
  [
    "{{ value fixed 1 }}",
    "`value fixed 1` has a syntax error at fixed",
    "write a | before a helper: {{ value | fixed 1 }}",
  ],
  [
    "{{ upper device }}",
    "`upper device` has a syntax error at device",
    "write the helper after the name and a |: {{ device | upper }}",
  ],
  ["{{ value + 1 }}", "`value + 1` has a syntax error at +", "write one name, then helpers after a |: {{ value }}"],
  ["{{ value | }}", "a helper is missing after |", expect.stringMatching(/^helpers are fixed 1/)],
  ["{{ }}", "{{ }} is empty", "write a name, like {{ device }} or {{ value }}"],
  ["{{ $value }}", '"$value" is not a name', "write {{ value }}"],
  ["{{ $labels.device }}", '"$labels.device" is not a name', "write {{ device }}"],
  ["{{ .Labels.device }}", '".Labels.device" is not a name', "write {{ device }}"],
  ["{{ .Value | si }}", '".Value" is not a name', "write {{ value }}"],
  ["{{ site | default nowhere }}", "the text nowhere needs quotes", expect.stringMatching(/^write for example/)],
  ["{{ at | time Europe/Berlin }}", "the zone Europe/Berlin needs quotes", expect.stringMatching(/"Europe\/Berlin"/)],
  ['{{ at | time "Berlin" }}', '"Berlin" is not a time zone', 'did you mean "Europe/Berlin"?'],
  ["{{ value | time }}", "`time` takes an instant, and value is not one", expect.stringMatching(/\{\{ at \| time }}/)],
  ["{{ at | fixed 1 }}", "`fixed` takes a number, and at is an instant", expect.stringMatching(/\| time/)],
  ["{{ if device }}", "`if device` has a syntax error at device", expect.stringMatching(/no conditions/)],
  ['{{ device | default "x }}', "a quote is never closed", "end the text with the quote that starts it"],
])("%s is a fault, and stays as written", (text, message, help) => {
  const faults = parseTemplate(text).faults.map(({ source, ...fault }) => ({
    source,
    ...textOf(TEMPLATE_TEXTS, fault),
  }));
  expect(faults).toEqual([{ source: text, message, help }]);
  expect(fill(text)).toBe(text);
});

test("an open brace is reported with the rest of its line; places before it are filled in", () => {
  const text = "{{ word }} at {{ value degC\n{{ word }}";
  expect(parseTemplate(text).faults).toMatchObject([{ source: "{{ value degC", code: "place_open" }]);
  expect(fill(text)).toBe("open at {{ value degC\n{{ word }}");
});

const piece = fc.oneof(
  fc.constantFrom("{{", "}}", "{", "}", "|", '"', "'", " ", "\n", "value", "device", "at", "$", ".", "(", ")", "1"),
  fc.constantFrom("fixed", "round 2", "percent", "duration", "si", "upper", "default", "time", "date", '"UTC"'),
  fc.string({ maxLength: 3 }),
);

test("any text is parsed without an exception or a loss, and faults are pieces of it", () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const text = pieces.join("");
      const { parts, faults } = parseTemplate(text);
      expect(parts.map((part) => (typeof part === "string" ? part : part.source)).join("")).toBe(text);
      for (const { source, ...fault } of faults) {
        const { message, help } = textOf(TEMPLATE_TEXTS, fault);
        expect(text).toContain(source);
        expect(source).not.toBe("");
        expect(`${message}${help}`).not.toMatch(/undefined|\[object/);
      }
      expect(fill(text)).toBeTypeOf("string");
      if (!text.includes("{{")) expect(fill(text)).toBe(text);
    }),
    { numRuns: 5_000 },
  );
});
