import { describe, expect, test, vi } from "vitest";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { PayloadProblem } from "../formats/format.ts";
import { RECEIVED_AT_US, type Sampled } from "../testing/parse-with.ts";
import { sparkplugHost } from "../testing/sparkplug-host.ts";
import { type PeerPayload, peerMetric, readSparkplug, sparkplugPayload } from "../testing/sparkplug-peer.ts";
import type { SparkplugHost } from "./host.ts";
import { Rebirths } from "./rebirths.ts";
import { parseSparkplugTopic } from "./topic.ts";

const T = 1_755_763_200_000;

interface Answer {
  readonly samples: readonly (readonly [metric: string, value: unknown])[];
  readonly whole: readonly Sampled[];
  readonly problem: PayloadProblem | undefined;
}

function send(host: SparkplugHost, path: string, payload: PeerPayload): Answer {
  const whole: Sampled[] = [];
  const message = { topic: `spBv1.0/${path}`, payload: sparkplugPayload(payload), receivedAtUs: RECEIVED_AT_US };
  const problem = host.read(message, ({ metric, value, atUs, tags, device }) => {
    whole.push([metric, value, atUs, { ...tags }, device]);
  });
  return { samples: whole.map(([metric, value]) => [metric, value]), whole, problem };
}

const BIRTH: PeerPayload = {
  timestamp: T,
  seq: 0,
  metrics: [
    { name: "bdSeq", datatype: 8, long_value: 3 },
    { name: "Node Control/Rebirth", ...peerMetric(false) },
    {
      name: "Filler/Temperature",
      alias: 7,
      timestamp: T - 250,
      ...peerMetric(21.5),
      properties: { keys: ["engUnit"], values: [{ type: 12, string_value: "Cel" }] },
    },
    { name: "Filler/Running", alias: "18446744073709551615", ...peerMetric(true) },
  ],
};

describe("births and data", () => {
  test("metrics of a birth are readings, with their unit and their own time", () => {
    const { whole, problem } = send(sparkplugHost(), "plant/NBIRTH/edge-1", BIRTH);
    expect(problem).toBeUndefined();
    expect(whole).toEqual([
      ["Filler/Temperature", 21.5, (T - 250) * 1_000, { unit: "Cel" }, "edge-1"],
      ["Filler/Running", true, T * 1_000, {}, "edge-1"],
    ]);
  });

  test("data by alias has the name, the type and the unit of the birth", () => {
    const host = sparkplugHost();
    send(host, "plant/NBIRTH/edge-1", {
      ...BIRTH,
      metrics: [...(BIRTH.metrics ?? []), { name: "Setpoint", alias: 9, datatype: 3, int_value: 4 }],
    });
    const { whole, problem } = send(host, "plant/NDATA/edge-1", {
      timestamp: T + 1_000,
      seq: 1,
      metrics: [
        { alias: 7, double_value: 22 },
        { alias: 9, int_value: 2 ** 32 - 12 },
        { alias: "18446744073709551615", boolean_value: false },
      ],
    });
    expect(problem).toBeUndefined();
    const atUs = (T + 1_000) * 1_000;
    expect(whole).toEqual([
      ["Filler/Temperature", 22, atUs, { unit: "Cel" }, "edge-1"],
      ["Setpoint", -12, atUs, {}, "edge-1"],
      ["Filler/Running", false, atUs, {}, "edge-1"],
    ]);
  });

  test("devices of a node have their own metrics", () => {
    const host = sparkplugHost();
    send(host, "plant/NBIRTH/edge-1", BIRTH);
    const born = { timestamp: T, seq: 1, metrics: [{ name: "level", alias: 20, ...peerMetric(0.5) }] };
    send(host, "plant/DBIRTH/edge-1/tank", born);
    const data = { timestamp: T, seq: 2, metrics: [{ alias: 20, double_value: 0.6 }] };
    expect(send(host, "plant/DDATA/edge-1/tank", data).whole).toEqual([["level", 0.6, T * 1_000, {}, "tank"]]);
    // An alias of the node is not one of its device's metrics only if a birth said so.
    expect(send(host, "plant/NDATA/edge-1", { seq: 3, metrics: [{ alias: 20, double_value: 1 }] }).samples).toEqual([
      ["level", 1],
    ]);
  });

  // The type, the value on the wire, and the reading.
  test.each<[number, object, unknown]>([
    [1, { int_value: 0xff }, -1],
    [1, { int_value: 2 ** 32 - 1 }, -1],
    [2, { int_value: 0xfffe }, -2],
    [3, { int_value: 2 ** 32 - 12 }, -12],
    [4, { long_value: "18446744073709551615" }, -1],
    [4, { long_value: "9223372036854775807" }, 9_223_372_036_854_775_807n],
    [7, { int_value: 4_294_967_295 }, 4_294_967_295],
    [8, { long_value: 8_123_456_789 }, 8_123_456_789],
    [9, { float_value: 21.5 }, 21.5],
    [13, { long_value: T }, "2025-08-21T08:00:00.000000000Z"],
    [14, { string_value: "text" }, "text"],
  ])("type %d of %j", (datatype, value, expected) => {
    const host = sparkplugHost();
    send(host, "g/NBIRTH/n", { seq: 0, metrics: [] });
    const { samples } = send(host, "g/NDATA/n", { seq: 1, metrics: [{ name: "m", datatype, ...value }] });
    expect(samples).toEqual([["m", expected]]);
  });

  test("templates, data sets and arrays are flattened", () => {
    const host = sparkplugHost();
    const template = {
      metrics: [
        { name: "rpm", ...peerMetric(900) },
        { name: "gone", is_null: true, datatype: 10 },
      ],
      parameters: [{ name: "index", type: 3, int_value: 2 }],
    };
    const set = {
      num_of_columns: 2,
      columns: ["t", "on"],
      types: [3, 11],
      rows: [
        { elements: [{ int_value: 2 ** 32 - 1 }, { boolean_value: true }] },
        { elements: [{ int_value: 5 }, { boolean_value: false }] },
      ],
    };
    const { samples } = send(host, "g/NBIRTH/n", {
      seq: 0,
      metrics: [
        { name: "types/Motor", datatype: 19, template_value: { is_definition: true, metrics: [{ name: "rpm" }] } },
        { name: "Motor", datatype: 19, template_value: template },
        { name: "Log", datatype: 16, dataset_value: set },
        { name: "Wave", datatype: 23, bytes_value: Buffer.from([1, 0, 0xff, 0xff]) },
        { name: "Flags", datatype: 32, bytes_value: Buffer.from([3, 0, 0, 0, 0b1010_0000]) },
        { name: "Words", datatype: 33, bytes_value: Buffer.from("a\u0000é\u0000") },
      ],
    });
    expect(samples).toEqual([
      ["Motor/index", 2],
      ["Motor/rpm", 900],
      ["Log/0/t", -1],
      ["Log/0/on", true],
      ["Log/1/t", 5],
      ["Log/1/on", false],
      ["Wave/0", 1],
      ["Wave/1", -1],
      ["Flags/0", true],
      ["Flags/1", false],
      ["Flags/2", true],
      ["Words/0", "a"],
      ["Words/1", "é"],
    ]);
  });

  test("a null and a value of bad quality are no readings; a historical one has its own time", () => {
    const host = sparkplugHost();
    send(host, "g/NBIRTH/n", BIRTH);
    const quality = (int_value: number) => ({ keys: ["Quality"], values: [{ type: 3, int_value }] });
    const { whole } = send(host, "g/NDATA/n", {
      timestamp: T,
      seq: 1,
      metrics: [
        { name: "a", is_null: true, datatype: 10 },
        { name: "b", ...peerMetric(1), properties: quality(500) },
        { name: "c", ...peerMetric(2), properties: quality(192) },
        { name: "d", ...peerMetric(3), is_historical: true, timestamp: T - 3_600_000 },
      ],
    });
    expect(whole).toEqual([
      ["c", 2, T * 1_000, {}, "n"],
      ["d", 3, (T - 3_600_000) * 1_000, {}, "n"],
    ]);
  });
});

/** A host whose commands are recorded. */
function withCommands(records = createMemoryLog({ nowUs: () => 0 }).records) {
  const asked: [string, string][] = [];
  const sent: { topic: string; payload: Uint8Array; retain: boolean }[] = [];
  let nowMs = 1_000_000;
  const events = {
    rebirthAsked: (node: string, reason: string) => asked.push([node, reason]),
    nodeDied() {},
    nodesNotKept() {},
  };
  const host = sparkplugHost({ events, nowMs: () => nowMs, hostId: "weir-1" }, records);
  host.reach((message) => sent.push(message));
  /** Lets time pass, in the steps in which the host takes turns. */
  const pass = (ms: number) => {
    for (let left = ms; left > 0; left -= 20) {
      nowMs += 20;
      vi.advanceTimersByTime(20);
    }
  };
  return { host, asked, sent, pass };
}

describe("rebirths", () => {
  test("are asked for by a command that nodes know", () => {
    vi.useFakeTimers();
    const { host, sent, asked, pass } = withCommands();
    send(host, "plant/NBIRTH/edge-1", { ...BIRTH, seq: 255 });
    expect(
      send(host, "plant/NDATA/edge-1", { seq: 0, metrics: [{ alias: 7, double_value: 1 }] }).problem,
    ).toBeUndefined();
    pass(2_000);
    expect(asked).toEqual([]);
    const { problem, samples } = send(host, "plant/NDATA/edge-1", {
      seq: 1,
      metrics: [{ alias: 99, double_value: 1 }],
    });
    expect(samples).toEqual([]);
    expect(problem?.detail).toContain("the alias 99 is in no birth of node");
    pass(2_000);
    expect(asked).toEqual([['["plant","edge-1"]', "an unknown alias"]]);
    const command = sent.at(-1);
    expect(command).toMatchObject({ topic: "spBv1.0/plant/NCMD/edge-1", qos: 0, retain: false });
    expect(readSparkplug(command?.payload ?? new Uint8Array()).metrics).toMatchObject([
      { name: "Node Control/Rebirth", datatype: 11, boolean_value: true },
    ]);
    vi.useRealTimers();
  });

  test.each<[string, string, PeerPayload]>([
    ["a gap in its sequence", "g/NDATA/n", { seq: 2, metrics: [] }],
    ["an unknown device", "g/DDATA/n/d", { seq: 1, metrics: [] }],
  ])("%s", (reason, path, payload) => {
    vi.useFakeTimers();
    const { host, asked, pass } = withCommands();
    send(host, "g/NBIRTH/n", BIRTH);
    send(host, path, payload);
    pass(1_500);
    expect(asked).toEqual([['["g","n"]', reason]]);
    vi.useRealTimers();
  });

  test("a birth that comes meanwhile settles it, and pauses double while none comes", () => {
    const rebirths = new Rebirths();
    const asked: number[] = [];
    for (let ms = 0; ms < 120_000; ms += 100) {
      rebirths.want("n", ms);
      if (rebirths.next(ms) !== undefined) asked.push(ms / 1_000);
    }
    expect(asked).toEqual([1, 6, 16, 36, 76]);
    rebirths.want("late", 0);
    rebirths.settle("late");
    expect(rebirths.next(200_000)).not.toBe("late");
  });

  test("a thousand nodes that come back at once are asked one after another, and only those without a birth", () => {
    const rebirths = new Rebirths();
    for (let i = 0; i < 1_000; i++) rebirths.want(`n${i}`, 0);
    const asked: string[] = [];
    for (let ms = 0; ms < 30_000; ms += 10) {
      const node = rebirths.next(ms);
      if (node !== undefined) asked.push(node);
      // Nodes are born by themselves, 100 a second.
      if (ms % 10 === 0 && ms >= 500) rebirths.settle(`n${(ms - 500) / 10}`);
    }
    expect(new Set(asked).size).toBe(asked.length);
    expect(asked.length).toBeLessThan(600);
    expect(rebirths.waiting).toBe(0);
  });
});

describe("deaths", () => {
  function born() {
    const host = sparkplugHost();
    send(host, "g/NBIRTH/n", BIRTH);
    send(host, "g/DBIRTH/n/d", { seq: 1, metrics: [{ name: "x", ...peerMetric(1) }] });
    host.fed("spBv1.0/g/NBIRTH/n", [{ device: "n", tags: { group: "g" } }]);
    host.fed("spBv1.0/g/DBIRTH/n/d", [
      { device: "d", tags: { group: "g" } },
      { device: "d", tags: { group: "g", unit: "Cel" } },
    ]);
    return host;
  }

  test("of a node: it and all its devices are gone, once", () => {
    const host = born();
    send(host, "g/NDEATH/n", { metrics: [{ name: "bdSeq", datatype: 8, long_value: 3 }] });
    expect(host.takeGone().map(({ device }) => device)).toEqual(["n", "d", "d"]);
    expect(host.takeGone()).toEqual([]);
  });

  test("of an earlier session: nothing is gone", () => {
    const host = born();
    send(host, "g/NDEATH/n", { metrics: [{ name: "bdSeq", datatype: 8, long_value: 2 }] });
    expect(host.takeGone()).toEqual([]);
  });

  test("of a device: it alone is gone", () => {
    const host = born();
    send(host, "g/DDEATH/n/d", { seq: 2 });
    expect(host.takeGone().map(({ device }) => device)).toEqual(["d", "d"]);
  });
});

test("after a restart, aliases resolve, deaths are known, and the node is asked for its births", async () => {
  const { records } = createMemoryLog({ nowUs: () => 0 });
  const first = sparkplugHost({}, records);
  send(first, "plant/NBIRTH/edge-1", BIRTH);
  first.fed("spBv1.0/plant/NBIRTH/edge-1", [{ device: "edge-1", tags: { group: "plant" } }]);
  await first.stop();
  const { host, asked, pass } = withCommands(records);
  const data: PeerPayload = { timestamp: T, seq: 41, metrics: [{ alias: 7, double_value: 23 }] };
  const waiting = send(host, "plant/NDATA/edge-1", data);
  expect(waiting.samples).toEqual([]);
  await waiting.problem?.until;
  vi.useFakeTimers();
  expect(send(host, "plant/NDATA/edge-1", data).whole).toEqual([
    ["Filler/Temperature", 23, T * 1_000, { unit: "Cel" }, "edge-1"],
  ]);
  pass(2_000);
  expect(asked).toEqual([['["plant","edge-1"]', "a restart"]]);
  vi.useRealTimers();
  send(host, "plant/NDEATH/edge-1", { metrics: [{ name: "bdSeq", long_value: 3 }] });
  expect(host.takeGone()).toEqual([{ device: "edge-1", tags: { group: "plant" } }]);
  await host.stop();
});

test("a compressed payload is refused, and not read as one without metrics", () => {
  const host = sparkplugHost();
  send(host, "g/NBIRTH/n", BIRTH);
  const { problem } = send(host, "g/NDATA/n", { seq: 1, uuid: "SPBV1.0_COMPRESSED" } as PeerPayload);
  expect(problem?.detail).toContain("the payload is compressed");
});

test("a host application with a name says whether it is there", () => {
  const { host, sent } = withCommands();
  host.reach(undefined);
  const states = sent.map(({ topic, payload, retain }) => [topic, JSON.parse(Buffer.from(payload).toString()), retain]);
  expect(states).toEqual([
    ["spBv1.0/STATE/weir-1", { online: true, timestamp: 1_000_000 }, true],
    ["spBv1.0/STATE/weir-1", { online: false, timestamp: 1_000_000 }, true],
  ]);
});

test.each([
  ["spBv1.0/g/NDATA/n", { kind: "NDATA", node: "n" }],
  ["spBv1.0/g/DDATA/n/d", { kind: "DDATA", node: "n", device: "d" }],
  ["spBv1.0/g/NCMD/n", { kind: "other" }],
  ["spBv1.0/STATE/weir-1", { kind: "other" }],
])("the topic %s", (topic, expected) => {
  expect(parseSparkplugTopic(topic)).toMatchObject(expected);
});

test.each(["a/b", "spAv1.0/g/NDATA/n", "spBv1.0/g/NDATA/n/d", "spBv1.0/g/DDATA/n", "spBv1.0/g/WORDS/n"])(
  "the topic %s is refused",
  (topic) => {
    expect(parseSparkplugTopic(topic)).toEqual(expect.any(String));
  },
);
