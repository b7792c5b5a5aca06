import { deserialize, serialize } from "node:v8";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { reading, rule, type TestEntry, TestPartition } from "../testing/step-kit.ts";

const SECOND = 1e6;

function startWith(spec: RuleSpec): TestPartition {
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: 1, specs: [spec] });
  return partition;
}

/** One reading per second in windows of one second. Returns `second:state` texts, with `!` while flapping. */
function play(spec: RuleSpec, values: string, partition = startWith(spec), fromSecond = 0): string[] {
  return values.split(/\s+/).flatMap((text, i) => {
    const second = fromSecond + i;
    const entry: TestEntry = {
      kind: "readings",
      storedAtUs: 1000 + second,
      readings: [reading("a", second * SECOND, Number(text))],
    };
    return partition.apply(entry).alerts.map(nameOf);
  });
}

function nameOf({
  atUs,
  from,
  state,
  flapping,
}: {
  atUs: number;
  from: string;
  state: string;
  flapping?: true;
}): string {
  const emitted = from === state ? `still ${state}` : state;
  return `${atUs / SECOND}:${emitted}${flapping ? "!" : ""}`;
}

const plain = rule({ id: "hot", window: { tumbling: "1s" }, when: "> 8", flapping: { changes: 4, within: "10s" } });

// The last value exists only to close the previous window.
describe("flapping", () => {
  test.each([
    [
      "an end that makes it flap is reported but does not end it; it ends after being quiet for `within`",
      {},
      "9 1 9 1 1 1 1 1 1 1 1 1 1 1 1",
      ["1:firing", "2:resolved", "3:firing", "4:still firing!", "14:resolved!"],
    ],
    [
      "it keeps firing while the condition comes and goes",
      {},
      "9 1 9 1 9 1 9 1 1 1 1 1 1 1 1 1 1 1 1",
      ["1:firing", "2:resolved", "3:firing", "4:still firing!", "18:resolved!"],
    ],
    [
      "a start that makes it flap is reported as flapping",
      { flapping: { changes: 3, within: "10s" } },
      "9 1 9 1 1 1 1 1 1 1 1 1 1 1 1",
      ["1:firing", "2:resolved", "3:firing!", "14:resolved!"],
    ],
    [
      "counting starts again afterwards",
      { flapping: { changes: 4, within: "3s" } },
      "9 1 9 1 1 1 9 1 9 1",
      ["1:firing", "2:resolved", "3:firing", "4:resolved", "7:firing", "8:resolved", "9:firing"],
    ],
    [
      "a change exactly as old as `within` does not count",
      { flapping: { changes: 4, within: "4s" } },
      "9 1 1 9 1 1",
      ["1:firing", "2:resolved", "4:firing", "5:resolved"],
    ],
    [
      "a slightly newer change counts",
      { flapping: { changes: 4, within: "5s" } },
      "9 1 1 9 1 1 1 1 1 1 1 1",
      ["1:firing", "2:resolved", "4:firing", "5:still firing!", "10:resolved!"],
    ],
    [
      "an alert that never fired does not count",
      { for: "1s" },
      "9 1 9 1 9 1 9 1 9 9 1 1",
      [
        ...["1:pending", "2:inactive", "3:pending", "4:inactive", "5:pending", "6:inactive"],
        ...["7:pending", "8:inactive", "9:pending", "10:firing", "11:resolved"],
      ],
    ],
    [
      "the longer of `within` and `keep_firing_for` applies",
      { keep_firing_for: "2s", flapping: { changes: 3, within: "6s" } },
      "9 1 1 1 9 1 1 1 1 1 1 1 1",
      ["1:firing", "4:resolved", "5:firing!", "12:resolved!"],
    ],
  ])("%s", (_, fields, values, expected) => {
    expect(play(rule({ ...plain, ...fields }), values)).toEqual(expected);
  });

  test("after its end, four more changes make it flap again, as a new incident", () => {
    const once = "9 1 9 1 1 1 1 1 1 1 1 1 1 1";
    const emitted = play(plain, `${once} ${once} 1`);
    expect(emitted).toEqual([
      ...["1:firing", "2:resolved", "3:firing", "4:still firing!", "14:resolved!"],
      ...["15:firing", "16:resolved", "17:firing", "18:still firing!", "28:resolved!"],
    ]);
  });

  test("it is one incident from the beginning to the end", () => {
    const partition = startWith(plain);
    const incidents = "9 1 9 1 9 1 1 1 1 1 1 1 1 1 1 1 1".split(" ").flatMap((text, second) => {
      const readings = [reading("a", second * SECOND, Number(text))];
      return partition.apply({ kind: "readings", storedAtUs: 1000, readings }).alerts.map(({ incident }) => incident);
    });
    expect(incidents.length).toBe(5);
    expect(new Set(incidents.slice(2)).size).toBe(1);
  });
});

test("a restart anywhere changes nothing", () => {
  const values = "9 1 9 1 9 1 1 1 1 1 1 1 1 1 1 1 9 1 9 1 1".split(" ");
  const expected = play(plain, values.join(" "));
  for (let cut = 1; cut < values.length; cut++) {
    const before = startWith(plain);
    const first = play(plain, values.slice(0, cut).join(" "), before);
    const after = new TestPartition(before.sequence);
    after.step.restore(deserialize(serialize([...before.step.snapshot()])));
    expect([...first, ...play(plain, values.slice(cut).join(" "), after, cut)]).toEqual(expected);
  }
});

describe("edits", () => {
  const edit = (partition: TestPartition, fields: Record<string, unknown>) =>
    partition.apply({ kind: "rules", storedAtUs: 5_000, specs: [rule({ ...plain, ...fields })] }).alerts.map(nameOf);

  test("the count continues with the incident, even with other windows", () => {
    for (const fields of [{ when: "> 7" }, { lateness: "0.5s" }, { severity: "info" }]) {
      const partition = startWith(plain);
      expect(play(plain, "9 1 9 9", partition)).toEqual(["1:firing", "2:resolved", "3:firing"]);
      expect(edit(partition, fields)).toEqual([]);
      const emitted = play(plain, "1 1 1 1 1", partition, 4).map((text) => text.split(":")[1]);
      expect(emitted).toEqual(["still firing!"]);
    }
  });

  test("without `flapping`, a flapping alert becomes an ordinary one, and changes are not counted", () => {
    const partition = startWith(plain);
    play(plain, "9 1 9 1 9", partition);
    expect(edit(partition, { flapping: undefined })).toEqual([]);
    expect(play(plain, "1 1", partition, 5)).toEqual(["6:resolved"]);
    expect(edit(partition, {})).toEqual([]);
    expect(play(plain, "9 1 9 9", partition, 7)).toEqual(["8:firing", "9:resolved", "10:firing"]);
  });

  test("an alert that ends with its rule is also marked", () => {
    const partition = startWith(plain);
    play(plain, "9 1 9 1 9", partition);
    const { alerts } = partition.apply({ kind: "rules", storedAtUs: 5_000, specs: [] });
    expect(alerts).toMatchObject([{ state: "resolved", flapping: true }]);
  });
});

describe("an absence", () => {
  const silent = rule({ id: "silent", absent: "2s", flapping: { changes: 4, within: "10s" } });

  /** A reading in each second marked `x`, and a tick in every second. */
  function listen(text: string, partition = startWith(silent), fromSecond = 0): string[] {
    return [...text].flatMap((letter, i) => {
      const storedAtUs = (fromSecond + i) * SECOND;
      const readings = letter === "x" ? [reading("a", storedAtUs, 1)] : [];
      const entry: TestEntry =
        readings.length > 0 ? { kind: "readings", storedAtUs, readings } : { kind: "tick", storedAtUs };
      return partition.apply(entry).alerts.map(nameOf);
    });
  }

  test("that comes and goes is a single alert until it has been quiet for `within`", () => {
    expect(listen(".x..x...xxxxxxxxxxxxxx")).toEqual([
      ...["3:firing", "4:resolved", "6:firing", "8:still firing!", "18:resolved!"],
    ]);
  });

  test("another absence restarts the wait, and infrequent readings are enough to end it", () => {
    const partition = startWith(rule({ ...silent, absent: "3s" }));
    expect(listen(".x...x....x....x.x.x.x.x.x.x.x", partition)).toEqual([
      ...["4:firing", "5:resolved", "8:firing", "10:still firing!", "25:resolved!"],
    ]);
  });

  test("a restart anywhere changes nothing", () => {
    const text = ".x..x...xxx...xxxxxxxxxxxxxx";
    const expected = listen(text);
    expect(expected.at(-1)).toBe("24:resolved!");
    for (let cut = 1; cut < text.length; cut++) {
      const before = startWith(silent);
      const first = listen(text.slice(0, cut), before);
      const after = new TestPartition(before.sequence);
      after.step.restore(deserialize(serialize([...before.step.snapshot()])));
      expect([...first, ...listen(text.slice(cut), after, cut)]).toEqual(expected);
    }
  });

  test("rules that share it each end by their own `within`", () => {
    const partition = new TestPartition();
    const specs = [silent, rule({ ...silent, id: "plain", flapping: undefined })];
    partition.apply({ kind: "rules", storedAtUs: 1, specs });
    expect(listen(".x..x...xxx", partition)).toEqual([
      ...["3:firing", "3:firing", "4:resolved", "4:resolved", "6:firing", "6:firing"],
      ...["8:still firing!", "8:resolved"],
    ]);
  });
});

/** Follows docs/windows.md directly: every evaluation, then the changes. */
function byHand(
  holds: readonly boolean[],
  { changes, within, keep }: { changes: number; within: number; keep: number },
): string[] {
  const emitted: string[] = [];
  let counted: number[] = [];
  let firing = false;
  let flapping = false;
  let clearSince: number | undefined;
  for (const [i, active] of holds.entries()) {
    const end = i + 1;
    const isNth = () => counted.filter((one) => end - within < one).length + 1 >= changes;
    if (!firing && active) {
      flapping = isNth();
      firing = true;
      clearSince = undefined;
      counted = flapping ? [] : [...counted, end];
      emitted.push(`${end}:firing${flapping ? "!" : ""}`);
    } else if (firing && active) clearSince = undefined;
    else if (firing) {
      clearSince ??= end;
      if (end - clearSince < (flapping ? Math.max(within, keep) : keep)) continue;
      if (!flapping && isNth()) {
        flapping = true;
        counted = [];
        emitted.push(`${end}:still firing!`);
        continue;
      }
      emitted.push(`${end}:resolved${flapping ? "!" : ""}`);
      counted = flapping ? [] : [...counted, end];
      firing = flapping = false;
    }
  }
  return emitted;
}

test("agrees with docs/windows.md on any sequence", () => {
  const holds = fc.array(fc.boolean(), { minLength: 1, maxLength: 60 });
  const fields = fc.record({
    changes: fc.integer({ min: 3, max: 6 }),
    within: fc.integer({ min: 1, max: 15 }),
    keep: fc.nat({ max: 4 }),
  });
  fc.assert(
    fc.property(holds, fields, (values, { changes, within, keep }) => {
      const spec = rule({ ...plain, keep_firing_for: `${keep}s`, flapping: { changes, within: `${within}s` } });
      const text = [...values, false].map((one) => (one ? 9 : 1)).join(" ");
      expect(play(spec, text)).toEqual(byHand(values, { changes, within, keep }));
    }),
    { numRuns: 400 },
  );
});
