import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RECIPES } from "../../rule-language/reference/recipes.ts";
import { textReport } from "./reports.ts";
import { runTests } from "./run-tests.ts";

/** Tests of the recipes in docs/rules.md, by title: what each one is for, and what it must not do. */
const TESTS: Readonly<Record<string, string>> = {
  "Too warm for too long": `
  - name: ten warm minutes fire, nine do not
    series:
      - { device: fridge-1, metric: temperature, every: 30s, values: "5x4 9x24 7x4" }
      - { device: fridge-2, metric: temperature, every: 30s, values: "5x4 9x18 7x10" }
    expect:
      - { at: 12m59s, rule: fridge-warm, device: fridge-1, state: pending }
      - { at: 13m, rule: fridge-warm, device: fridge-1, state: firing, value: 9 }
      - { at: 15m, rule: fridge-warm, device: fridge-1, state: resolved }
      - { at: 16m, rule: fridge-warm, device: fridge-2, state: inactive }`,
  "Warning and critical": `
  - name: a freezer that gets worse is one incident
    series:
      - { device: freezer-1, metric: temperature, every: 1m, values: "-20x5 -17x20 -14x15 -15.5x15 -17x15 -20x16" }
    exhaustive: false
    expect:
      - { at: 19m, rule: freezer-warm, device: freezer-1, state: pending, severity: warning }
      - { at: 20m, rule: freezer-warm, device: freezer-1, state: firing, severity: warning }
      - { at: 40m, rule: freezer-warm, device: freezer-1, state: firing, severity: critical, value: -14 }
      - { at: 55m, rule: freezer-warm, device: freezer-1, state: firing, severity: critical }
      - { at: 1h, rule: freezer-warm, device: freezer-1, state: firing, severity: warning, value: -17 }
      - { at: 1h15m, rule: freezer-warm, device: freezer-1, state: resolved }`,
  "Out of a band": `
  - name: below and above, and back well within
    series: [{ device: m, metric: voltage, every: 5s, values: "230x4 200x2 208x2 230x2 260x2 252x2 240x4" }]
    expect:
      - { at: 30s, rule: voltage-off, device: m, state: firing, value: 200 }
      - { at: 40s, rule: voltage-off, device: m, state: firing }
      - { at: 50s, rule: voltage-off, device: m, state: resolved }
      - { at: 1m, rule: voltage-off, device: m, state: firing, value: 260 }
      - { at: 1m10s, rule: voltage-off, device: m, state: firing }
      - { at: 1m20s, rule: voltage-off, device: m, state: resolved }`,
  "A sensor that fell silent": `
  - name: a quarter of an hour of silence, and the next reading
    series: [{ device: s, site: plant, metric: m, every: 1m, values: "1x5 _x20 1" }]
    expect:
      - { at: 18m59s, rule: silent, device: s, state: inactive }
      - { at: 19m, rule: silent, device: s, state: firing, value: 900 }
      - { at: 25m, rule: silent, device: s, state: resolved }`,
  "A state that lasts, from a sensor that reports only changes": `
  - name: one message opens the gate, and five minutes later it has been open for long
    events:
      - { at: 2m, reading: { device: g, metric: gate, value: open } }
      - { at: 10m, reading: { device: g, metric: gate, value: closed } }
    until: 12m
    expect:
      - { at: 7m9s, rule: gate-open, device: g, state: pending }
      - { at: 7m20s, rule: gate-open, device: g, state: firing, value: open }
      - { at: 10m20s, rule: gate-open, device: g, state: resolved }`,
  "Busy for most of an hour": `
  - name: fifty minutes are busy, forty are not
    series:
      - { device: compressor-1, metric: state, every: 10m, values: "runningx5 idlex2" }
      - { device: compressor-2, metric: state, every: 10m, values: "runningx4 idlex3" }
    expect:
      - { at: 1h, rule: compressor-busy, device: compressor-1, state: firing, value: 3000 }
      - { at: 1h, rule: compressor-busy, device: compressor-2, state: inactive }`,
  "Rising fast": `
  - name: eight degrees per minute are too fast, four are not
    series:
      - { device: a, metric: temperature, every: 10s, values: "20x6 20+1.3333x7" }
      - { device: b, metric: temperature, every: 10s, values: "20x6 20+0.6666x7" }
    exhaustive: false
    expect:
      - { at: 2m, rule: heating-up, device: a, state: firing }
      - { at: 2m, rule: heating-up, device: b, state: inactive }`,
  "A sudden drop, relative to the normal value": `
  - name: a quarter less, for pumps of any size
    series:
      - { device: small, metric: flow, every: 30s, values: "4x20 3x4" }
      - { device: large, metric: flow, every: 30s, values: "400x20 390x4" }
    exhaustive: false
    expect:
      - { at: 11m, rule: flow-drops, device: small, state: firing, value: -25 }
      - { at: 11m, rule: flow-drops, device: large, state: inactive }`,
  "Ignore single spikes": `
  - name: three of ten fire, two do not
    series:
      - { device: a, metric: pressure, every: 1s, values: "5 9 5 9 5 9 5x4" }
      - { device: b, metric: pressure, every: 1s, values: "5 9 5 9 5x6" }
    expect:
      - { at: 10s, rule: pressure-spikes, device: a, state: firing, value: 3 }
      - { at: 10s, rule: pressure-spikes, device: b, state: inactive }`,
  "Several series in one condition": `
  - name: current without flow
    series:
      - { device: p, metric: flow, every: 10s, values: "2x6 0.2x12 0.2" }
      - { device: p, metric: motor_current, every: 10s, values: "14x19" }
    expect:
      - { at: 2m29s, rule: pump-blocked, device: p, state: pending }
      - { at: 2m30s, rule: pump-blocked, device: p, state: firing, value: 0.2 }`,
  "A stuck sensor": `
  - name: one value for two hours
    series: [{ device: a, metric: temperature, every: 10m, values: "20 21 20x16" }]
    expect:
      - { at: 2h59m, rule: stuck, device: a, state: pending }
      - { at: 3h, rule: stuck, device: a, state: firing }
  - name: a sensor that sends once an hour is not stuck
    series: [{ device: a, metric: temperature, every: 1h, from: 5m, values: "20 21 22 23 24 25" }]
    expect: [{ at: 5h30m, rule: stuck, device: a, state: inactive }]`,
  "By the local day, week or shift": `
  - name: from nine to nine, also where clocks change
    start: "2026-03-28T08:00:00Z"
    series: [{ device: r, metric: rain, every: 1h, values: "1x23 2x24" }]
    expect:
      - { at: 23h, rule: rain-heavy, device: r, state: inactive }
      - { at: 47h, rule: rain-heavy, device: r, state: firing, value: 48 }
    expect_windows:
      - { rule: rain-heavy, device: r, start: "2026-03-28T08:00:00Z", end: "2026-03-29T07:00:00Z", values: { sum: 23 } }`,
  "Against yesterday": `
  - name: 12 against 8, and no value without yesterday
    series: [{ device: m, metric: power, every: 30m, values: "20x10 8x38 8x10 12x2 8x3" }]
    expect:
      - { at: 1d5h59m, rule: power-unusual, device: m, state: inactive }
      - { at: 1d6h, rule: power-unusual, device: m, state: firing, value: 12 }
      - { at: 1d7h, rule: power-unusual, device: m, state: resolved }`,
  "A whole site": `
  - name: the mean over the devices of a hall
    series:
      - { device: a, site: hall-1, metric: temperature, every: 1m, values: "26x12" }
      - { device: b, site: hall-1, metric: temperature, every: 1m, values: "26x5 32x7" }
    expect:
      - { at: 10m29s, rule: hall-hot, site: hall-1, state: inactive }
      - { at: 10m30s, rule: hall-hot, site: hall-1, state: firing, value: 29 }`,
  "One notification for a gateway, not one for each sensor behind it": `
  - name: both alerts fire, the gateway's first
    series:
      - { device: gw-1, site: s, metric: heartbeat, every: 30s, values: "1x5" }
      - { device: t, site: s, metric: temperature, every: 30s, values: "20x5" }
    until: 10m
    expect:
      - { at: 4m, rule: gateway-silent, site: s, state: firing }
      - { at: 4m, rule: sensor-silent, site: s, device: t, state: inactive }
      - { at: 7m, rule: sensor-silent, site: s, device: t, state: firing }`,
  "Only in working hours": `
  - name: cold all night, an alert half an hour after seven in Berlin
    start: "2026-01-05T04:00:00Z"
    series: [{ device: o, site: office-1, metric: temperature, every: 5m, values: "15x200" }]
    exhaustive: false
    expect:
      - { at: 2h5m, rule: office-cold, device: o, state: pending }
      - { at: 2h30m, rule: office-cold, device: o, state: pending }
      - { at: 2h35m, rule: office-cold, device: o, state: firing }
      - { at: 13h5m, rule: office-cold, device: o, state: resolved }`,
  "A sensor with a bad radio": `
  - name: after four changes it is one alert, until two quiet hours have passed
    series:
      - { device: meter-1, metric: energy, every: 5m, values: "1 _x3 1 _x3 1 _x3 1x40" }
    exhaustive: false
    expect:
      - { at: 10m, rule: radio-lost, device: meter-1, state: firing }
      - { at: 20m, rule: radio-lost, device: meter-1, state: resolved }
      - { at: 30m, rule: radio-lost, device: meter-1, state: firing }
      - { at: 41m, rule: radio-lost, device: meter-1, state: firing }
      - { at: 2h55m, rule: radio-lost, device: meter-1, state: firing }
      - { at: 3h10m, rule: radio-lost, device: meter-1, state: resolved }`,
  "All devices except a few": `
  - name: the sauna and the lab may be warm
    series:
      - { device: room-1, site: house, metric: temperature, every: 1m, values: "30x6" }
      - { device: room-sauna, site: house, metric: temperature, every: 1m, values: "80x6" }
      - { device: room-2, site: lab, metric: temperature, every: 1m, values: "30x6" }
    expect: [{ at: 5m, rule: room-warm, device: room-1, state: firing }]`,
  "Computing without an alert": `
  - name: values of an hour
    series: [{ device: m, metric: power, every: 10m, values: "1+1x7" }]
    expect_windows: [{ rule: hourly, device: m, end: 1h, values: { avg: 3.5, min: 1, max: 6, p95: 5.75 } }]`,
};

test.each(RECIPES.map(({ title, yaml }) => ({ title, yaml })))("the recipe: $title", async ({ title, yaml }) => {
  const tests = TESTS[title];
  expect(tests, "each recipe has a test").toBeDefined();
  const folder = await mkdtemp(join(tmpdir(), "weir-recipe-"));
  try {
    await writeFile(join(folder, "rules.yaml"), yaml);
    await writeFile(join(folder, "recipe.test.yaml"), `rule_files: [rules.yaml]\ntests:${tests}\n`);
    const report = await runTests([folder], { nowMs: () => 0 });
    expect(textReport(report)).toMatch(/^ok|passed, 0 failed/m);
    expect(report).toMatchObject({ failed: 0, problems: [] });
    expect(report.passed).toBeGreaterThan(0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
