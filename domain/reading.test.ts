import { expect, test } from "vitest";
import { deviceKey, sensorKey, seriesKey } from "./reading.ts";

test("the key of a series or sensor does not depend on the order of tags", () => {
  const one = { device: "d", metric: "m", kind: "number", tags: { a: "1", b: "2" } } as const;
  const two = { device: "d", metric: "m", kind: "number", tags: { b: "2", a: "1" } } as const;
  expect(seriesKey(one)).toBe(seriesKey(two));
  expect(sensorKey(one)).toBe(sensorKey(two));
});

test("a sensor is device, metric and every tag, whatever the kind of its values", () => {
  const phone = { device: "phone", metric: "batt", tags: { user: "anna" } };
  expect(sensorKey({ ...phone, tags: { user: "bert" } })).not.toBe(sensorKey(phone));
  expect(sensorKey({ ...phone, tags: {} })).not.toBe(sensorKey(phone));
  expect(sensorKey({ ...phone, metric: "lat" })).not.toBe(sensorKey(phone));
  const series = { ...phone, kind: "number" } as const;
  const text = { ...phone, kind: "string" } as const;
  expect(sensorKey(series)).toBe(sensorKey(text));
  expect(seriesKey(series)).not.toBe(seriesKey(text));
});

test.each([
  ["meter-1", {}, "meter-1"],
  ["sensors/hall/7", {}, "sensors/hall/7"],
  ["phone", { user: "anna" }, "phone{user=anna}"],
  ["meter-1", { site: "north", phase: "L1" }, "meter-1{phase=L1,site=north}"],
  ["phone", { user: "" }, "phone{user=}"],
])("device %j with tags %j is %s", (device, tags, key) => {
  expect(deviceKey({ device, tags })).toBe(key);
});

test("devices whose names hold the marks of a key stay apart", () => {
  const devices = [
    { device: "a", tags: { b: "c" } },
    { device: "a{b=c}", tags: {} },
    { device: "a\\", tags: { b: "c" } },
    { device: "a\\{b=c}", tags: {} },
    { device: "a", tags: { b: "c,d=e" } },
    { device: "a", tags: { b: "c", d: "e" } },
    { device: "a", tags: { "b=c,d": "e" } },
    { device: "a", tags: { b: "c\\,d=e" } },
    { device: "a", tags: { b: "c}" } },
  ];
  expect(new Set(devices.map(deviceKey)).size).toBe(devices.length);
  expect(deviceKey({ device: "a{b=c}", tags: {} })).toBe("a\\{b\\=c\\}");
});
