import { afterEach, expect, test } from "vitest";
import { ingestConfigSchema } from "./common/config.ts";
import {
  countsOf,
  deadLetters,
  ingest,
  metrics,
  publish,
  readings,
  start,
  storedValues,
} from "./testing/ingest-kit.ts";

afterEach(() => ingest.stop());

function use(config: Record<string, unknown>): void {
  ingest.use(ingestConfigSchema.parse(config));
}

test("the next message is read by the new sources, and devices keep their counts", async () => {
  await start();
  await publish("sensors/n/cold-1/telemetry", '{"t": 1}');
  await publish("plant/cold-1", '{"t": 2}');
  use({ sources: [{ topic: "plant/{device}", tags: { site: "n" }, prefix: "p." }] });
  await publish("plant/cold-1", '{"t": 3}');
  await publish("sensors/n/cold-1/telemetry", '{"t": 4}');
  expect(await storedValues()).toEqual([
    ["cold-1", "t", 1],
    ["cold-1", "p.t", 3],
  ]);
  expect((await deadLetters()).map(({ letter }) => [letter.reason, letter.topic])).toEqual([
    ["unknown-topic", "plant/cold-1"],
    ["unknown-topic", "sensors/n/cold-1/telemetry"],
  ]);
  expect(await countsOf("cold-1")).toMatchObject({ messages: 2, stored: 2 });
});

test("clocks and limits change at once; what is known may still send", async () => {
  await start();
  const old = '{"t": 1, "ts": "1999-06-01T00:00:00Z"}';
  await publish("sensors/n/a/telemetry", old);
  use({ clock: { not_before: "1990-01-01" }, limits: { devices_max: 1, text_size_max: "4B" } });
  await publish("sensors/n/a/telemetry", old);
  await publish("sensors/n/b/telemetry", '{"t": 1}');
  await publish("sensors/n/a/telemetry", '{"word": "too long"}');
  expect((await readings()).map(({ atUs }) => new Date((atUs ?? 0) / 1_000).getUTCFullYear())).toEqual([2025, 1999]);
  expect((await deadLetters()).map(({ letter }) => letter.reason)).toEqual(["too-many-devices", "too-large"]);
});

test("a source that stays the same keeps what it knows; of others it starts afresh", async () => {
  const local = { topic: "local/{device}", timestamp: { field: "at", timezone: "Europe/Berlin" } };
  await start({}, { sources: [local] });
  const autumn = (at: string) => publish("local/d", `{"t": 1, "at": "2025-10-26T${at}"}`);
  await autumn("02:50:00");
  use({ sources: [{ topic: "new/{device}" }, local] });
  // It did not advance: the second pass of the hour.
  await autumn("02:10:00");
  expect((await readings()).map(({ atUs }) => new Date((atUs ?? 0) / 1_000).toISOString().slice(11, 16))).toEqual([
    "00:50",
    "01:10",
  ]);
  expect(ingest.sources().map(({ messages }) => messages)).toEqual([0, 2]);
});

test("a time that is never where a source says, and a source without readings, are named once there is enough", async () => {
  await start(
    {},
    {
      sources: [
        { topic: "a/{device}", timestamp: { field: "when" } },
        { topic: "b/{device}", metrics: "temp*" },
        { topic: "c/{device}", timestamp: { field: "when" } },
        { topic: "d/{device}", ignore: true },
      ],
    },
  );
  for (let i = 0; i < 100; i++) {
    if (i === 99) expect(ingest.sources().flatMap(({ warnings }) => warnings)).toEqual([]);
    await publish("a/d", '{"t": 1, "ts": 1763769600}');
    await publish("b/d", '{"t": 1}');
    await publish("c/d", i === 3 ? '{"t": 1, "when": 1763769600}' : '{"t": 1}');
    await publish("d/d", '{"t": 1}');
  }
  expect(
    ingest
      .sources()
      .map(({ topics, messages, readings: count, warnings }) => [
        ...topics,
        messages,
        count,
        warnings.map(({ code }) => code),
      ]),
  ).toEqual([
    ["a/{device}", 100, 200, ["time-never-seen"]],
    ["b/{device}", 100, 0, ["no-readings"]],
    ["c/{device}", 100, 100, []],
    ["d/{device}", 100, 0, []],
  ]);
  expect(ingest.sources()[0]?.warnings[0]?.message).toContain('none of 100 messages had its time in "when"');
  await expect
    .poll(async () => await metrics.registry.metrics(), { timeout: 15_000 })
    .toContain('weir_ingest_source_warnings{warning="time-never-seen"} 1');
});

test("readings in the hour that autumn brings twice are flagged, others of the same night are not", async () => {
  await start({}, { sources: [{ topic: "local/{device}", timestamp: { field: "at", timezone: "Europe/Berlin" } }] });
  for (const at of ["01:59:59", "02:10:00", "02:10:00", "03:00:00"]) {
    await publish("local/d", `{"t": 1, "at": "2025-10-26T${at}"}`);
  }
  await publish("local/d", '{"t": 1, "at": "2025-10-26T02:30:00+02:00"}');
  const shown = (await readings()).map(({ atUs, clockAhead }) => [
    new Date((atUs ?? 0) / 1_000).toISOString().slice(11, 19),
    clockAhead,
  ]);
  expect(shown).toEqual([
    ["23:59:59", false],
    ["00:10:00", true],
    ["01:10:00", true],
    ["02:00:00", false],
    ["00:30:00", false],
  ]);
  expect(await metrics.registry.metrics()).toContain("weir_ingest_local_times_guessed_total 2");
});
