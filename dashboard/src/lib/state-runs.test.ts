import { expect, test } from "vitest";
import { blocksOf } from "../charts/state-timeline.tsx";
import { RUNS_MAX, runAt, StateRuns } from "./state-runs.ts";

const textsOf = ({ runs }: StateRuns) => runs.map(({ fromUs, lastUs, word }) => `${word} ${fromUs}-${lastUs}`);

test("live readings continue the states of the store, and those that the store has count once", () => {
  const states = new StateRuns();
  states.push(50, "cool");
  states.push(60, "defrost");
  const answer = {
    runs: [
      { fromUs: 10, lastUs: 30, value: "idle" },
      { fromUs: 40, lastUs: 50, value: "cool" },
    ],
    complete: true,
    before: { atUs: 5, value: "idle" },
  };
  // The store was asked for all up to 61, and does not have the reading at 60 yet.
  expect(states.replace(answer, 61)).toBe(true);
  expect(states.replace(answer, 60)).toBe(false);
  expect(textsOf(states)).toEqual(["idle 5-30", "cool 40-50", "defrost 60-60"]);
  expect(states.beganBefore).toBe(true);
  states.push(70, "defrost");
  states.push(65, "late");
  states.push(80, "cool");
  expect(textsOf(states).slice(2)).toEqual(["defrost 60-70", "cool 80-80"]);
});

test("a state that goes on while the store answers stays one state", () => {
  const states = new StateRuns();
  states.push(50, "true");
  states.push(90, "true");
  states.replace({ runs: [{ fromUs: 20, lastUs: 60, value: true }], complete: true, before: null }, 61);
  expect(textsOf(states)).toEqual(["true 20-90"]);
  expect(states.beganBefore).toBe(false);
});

test("blocks fill the span: the first state from its start, each up to the next, the last up to its end", () => {
  const states = new StateRuns();
  const runs = [
    { fromUs: 100, lastUs: 150, value: "a" },
    { fromUs: 200, lastUs: 260, value: "b" },
  ];
  states.replace({ runs, complete: true, before: { atUs: 40, value: "a" } }, 300);
  const spans = (span: { fromUs: number; toUs: number }) =>
    blocksOf(states, span).map(({ run, fromUs, toUs }) => `${run.word} ${fromUs}-${toUs}`);
  expect(spans({ fromUs: 50, toUs: 300 })).toEqual(["a 50-200", "b 200-300"]);
  expect(spans({ fromUs: 210, toUs: 250 })).toEqual(["b 210-250"]);
  expect([49, 199, 200, 999].map((atUs) => states.runs[runAt(states.runs, atUs)]?.word)).toEqual(["a", "a", "b", "b"]);
  expect(runAt(states.runs, 39)).toBe(-1);

  const young = new StateRuns();
  young.push(100, "on");
  expect(blocksOf(young, { fromUs: 0, toUs: 200 })).toMatchObject([{ fromUs: 100, toUs: 200 }]);
});

test("states are bounded, and it is known that older ones are missing", () => {
  const states = new StateRuns();
  for (let i = 0; i < RUNS_MAX + 5; i++) states.push(i, i % 2 === 0 ? "on" : "off");
  expect(states.runs).toHaveLength(RUNS_MAX);
  expect(states.cut).toBe(true);
});
