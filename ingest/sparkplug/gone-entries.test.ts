import { afterEach, expect, test } from "vitest";
import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import { deadLetters, ingest, messages, publish, start, storedValues } from "../testing/ingest-kit.ts";
import { peerMetric, sparkplugPayload } from "../testing/sparkplug-peer.ts";

afterEach(() => ingest.stop());

const sources = [
  { topic: "spBv1.0/{group}/+/{device}", format: "sparkplug" },
  { topic: "spBv1.0/{group}/+/{node}/{device}", format: "sparkplug" },
];
const bdSeq = { name: "bdSeq", datatype: 8, long_value: 1 };
const unit = { keys: ["engUnit"], values: [{ type: 12, string_value: "Cel" }] };

/** The entries of all partitions, each by its kind and what it names. */
async function entries(): Promise<unknown[]> {
  const reader = new FrameReader(new SeriesTable());
  return (await messages("READINGS")).map(({ payload }) => {
    const entry = reader.read(payload);
    return entry.kind === "gone" ? ["gone", ...entry.devices.map(({ device, tags }) => [device, tags])] : [entry.kind];
  });
}

test("a node's death makes the devices gone that it fed, behind their readings", async () => {
  await start({}, { sources });
  const born = publish(
    "spBv1.0/plant/NBIRTH/edge-1",
    sparkplugPayload({ seq: 0, metrics: [bdSeq, { name: "a", alias: 1, ...peerMetric(1), properties: unit }] }),
  );
  const device = publish(
    "spBv1.0/plant/DBIRTH/edge-1/tank",
    sparkplugPayload({ seq: 1, metrics: [{ name: "level", alias: 2, ...peerMetric(0.5) }] }),
  );
  const data = publish(
    "spBv1.0/plant/NDATA/edge-1",
    sparkplugPayload({ seq: 2, metrics: [{ alias: 1, double_value: 2 }] }),
  );
  const death = publish("spBv1.0/plant/NDEATH/edge-1", sparkplugPayload({ metrics: [bdSeq] }));
  expect(await Promise.all([born, device, data, death])).toEqual([undefined, undefined, undefined, undefined]);
  expect((await storedValues()).sort()).toEqual([
    ["edge-1", "a", 1],
    ["edge-1", "a", 2],
    ["tank", "level", 0.5],
  ]);
  const gone = (await entries()).filter((entry) => (entry as unknown[])[0] === "gone");
  expect(gone.flatMap((entry) => (entry as unknown[]).slice(1))).toEqual(
    expect.arrayContaining([
      ["edge-1", { group: "plant", unit: "Cel" }],
      ["tank", { group: "plant", node: "edge-1" }],
    ]),
  );
  expect((await entries()).at(0)).toEqual(["readings"]);
  expect(await deadLetters()).toEqual([]);
});

test("the messages of the specification's other topics are no dead letters", async () => {
  await start({}, { sources });
  await publish("spBv1.0/plant/NCMD/edge-1", sparkplugPayload({ metrics: [] }));
  await publish("spBv1.0/STATE/a/scada", '{"online":true}');
  expect(await deadLetters()).toEqual([]);
  await publish("spBv1.0/plant/WORDS/edge-1", "x");
  expect((await deadLetters()).map(({ letter }) => letter.detail)).toEqual([
    expect.stringContaining("births and deaths"),
  ]);
});

test("an alias that no birth has is a dead letter, whose other metrics are stored", async () => {
  await start({}, { sources });
  await publish("spBv1.0/plant/NBIRTH/edge-1", sparkplugPayload({ seq: 0, metrics: [bdSeq] }));
  const metrics = [
    { alias: 5, double_value: 1 },
    { name: "b", ...peerMetric(2) },
  ];
  await publish("spBv1.0/plant/NDATA/edge-1", sparkplugPayload({ seq: 1, metrics }));
  expect(await storedValues()).toEqual([["edge-1", "b", 2]]);
  expect((await deadLetters()).map(({ letter }) => letter.detail)).toEqual([
    'the alias 5 is in no birth of node ["plant","edge-1"]; the node is asked for its births. Retry this message after them',
  ]);
});
