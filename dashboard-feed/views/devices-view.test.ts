import { expect, test } from "vitest";
import type { DeviceItem } from "../../contracts/feed/protocol.ts";
import { encodeGone, encodeRuleSet, FrameWriter } from "../../domain/frame-writer.ts";
import type { Device } from "../../domain/reading.ts";
import { compileFilter } from "../common/filter.ts";
import { makeReadingsView } from "../testing/readings-view.ts";
import type { ReadingsView } from "./readings-view.ts";
import { collect } from "./view.ts";

const S = 1_000_000;
const MIN = 60 * S;
const HOUR = 60 * MIN;
const START = 1_763_769_600 * S;

/** A view of readings, each received at a time after the start. */
function makeView() {
  const view = makeReadingsView();
  let sequence = 0;
  const apply = (payload: Uint8Array) =>
    view.apply({ subject: "readings.0", sequence: ++sequence, storedAtUs: START, payload });
  return {
    view,
    receive(device: string, metrics: readonly string[], afterUs: number) {
      const writer = new FrameWriter();
      for (const metric of metrics) writer.add({ device, metric, tags: {}, kind: "number" }, START + afterUs, 1);
      apply(writer.finish(START + afterUs));
    },
    leave(devices: readonly Device[], afterUs: number) {
      const payload = encodeGone(devices);
      view.apply({ subject: "readings.0", sequence: ++sequence, storedAtUs: START + afterUs, payload });
    },
    useRules(rules: readonly unknown[]) {
      apply(encodeRuleSet({ version: String(sequence), rulesJson: JSON.stringify(rules) }));
    },
    get sequence() {
      return sequence;
    },
  };
}

function itemOf(view: ReadingsView, device: string): DeviceItem {
  const { items } = collect(view.devices, () => true, { after: 0, bytesMax: 1e9 });
  const found = (JSON.parse(`[${items}]`) as DeviceItem[]).find((item) => item.device === device);
  if (found === undefined) throw new Error(`no ${device}`);
  return found;
}

test("the fastest series that still sends decides when a device is silent", () => {
  const { view, receive } = makeView();
  for (let i = 0; i < 5; i++) receive("both", ["status"], i * HOUR);
  for (let i = 0; i < 60; i++) receive("both", ["temperature"], 4 * HOUR + i * S);
  const lastUs = START + 4 * HOUR + 59 * S;
  const before = itemOf(view, "both");
  expect(before).toMatchObject({ lastSeenUs: lastUs, silentFromUs: lastUs + 10 * S, expectedEveryUs: S });
  expect(before.metrics.temperature).not.toHaveProperty("silentFromUs");
  expect(before.metrics.status).toMatchObject({ seenUs: START + 4 * HOUR, silentFromUs: START + 7 * HOUR });

  // Its thermometer has stopped, and the device still speaks.
  receive("both", ["status"], 5 * HOUR);
  const after = itemOf(view, "both");
  expect(after).toMatchObject({ silentFromUs: START + 8 * HOUR, expectedEveryUs: HOUR });
  expect(after.metrics.temperature).toMatchObject({ seenUs: lastUs, silentFromUs: lastUs + 10 * S });
});

test("a device that says it is gone is silent from then on, with all its metrics, until it sends again", () => {
  const { view, receive, leave } = makeView();
  for (let i = 0; i < 5; i++) receive("node", ["status", "temperature"], i * MIN);
  receive("other", ["status"], 0);
  leave(
    [
      { device: "node", tags: {} },
      { device: "unknown", tags: {} },
    ],
    4 * MIN + S,
  );
  const gone = itemOf(view, "node");
  expect(gone).toMatchObject({ goneUs: START + 4 * MIN + S, silentFromUs: START + 4 * MIN + S });
  expect(gone.metrics.status).not.toHaveProperty("silentFromUs");
  expect(itemOf(view, "other")).not.toHaveProperty("goneUs");
  // A name with other tags is another device.
  leave([{ device: "other", tags: { site: "s" } }], 5 * MIN);
  expect(itemOf(view, "other")).not.toHaveProperty("goneUs");
  receive("node", ["status"], 6 * MIN);
  const back = itemOf(view, "node");
  expect(back).not.toHaveProperty("goneUs");
  expect(back.silentFromUs).toBeGreaterThan(START + 6 * MIN);
});

test("a device that has sent once has no rhythm yet, and a metric without one is silent with its device", () => {
  const { view, receive } = makeView();
  receive("young", ["temperature"], 0);
  expect(itemOf(view, "young")).toMatchObject({ silentFromUs: START + 5 * MIN });
  expect(itemOf(view, "young")).not.toHaveProperty("expectedEveryUs");
  receive("young", ["boot"], 1 * S);
  for (let i = 2; i < 20; i++) receive("young", ["temperature"], i * MIN);
  const { metrics, silentFromUs } = itemOf(view, "young");
  expect(silentFromUs).toBe(START + 22 * MIN);
  expect(metrics.boot).toEqual({ atUs: START + S, value: 1, seenUs: START + S, unwatched: true });
});

test("items say which devices and metrics no rule watches, also after a change of the rules", () => {
  const made = makeView();
  const { view, receive, useRules } = made;
  receive("cold-1", ["temperature", "humidity"], 0);
  receive("other", ["temperature"], 0);
  expect(itemOf(view, "cold-1").unwatched).toBe(true);

  const seen = view.devices.order.positionOf(1);
  useRules([
    { id: "warm", where: { device: "cold-*", metric: "temperature" }, window: { tumbling: "1m" }, when: "> 8" },
  ]);
  expect(itemOf(view, "cold-1")).not.toHaveProperty("unwatched");
  expect(itemOf(view, "cold-1").metrics.temperature).not.toHaveProperty("unwatched");
  expect(itemOf(view, "cold-1").metrics.humidity).toMatchObject({ unwatched: true });
  expect(itemOf(view, "other")).toMatchObject({ unwatched: true });
  // Clients that already have the items get them again.
  const matches = view.devices.matcher(compileFilter({}));
  expect(collect(view.devices, matches, { after: seen, bytesMax: 1e9 }).count).toBe(2);

  useRules([{ id: "silent", where: {}, absent: "5m" }]);
  expect(itemOf(view, "other")).not.toHaveProperty("unwatched");
  expect(itemOf(view, "other").metrics.temperature).toMatchObject({ unwatched: true });

  const head = view.devices.order.positionOf(0);
  useRules([{ id: "silent", where: {}, absent: "5m" }]);
  expect(view.devices.order.positionOf(0)).toBe(head);
});
