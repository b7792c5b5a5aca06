import { expect, test } from "vitest";
import { formatSpeed } from "./event-clock.ts";
import {
  formatAge,
  formatCount,
  formatInstant,
  formatNumber,
  formatRate,
  formatSince,
  formatSpan,
  formatTime,
  formatValue,
  plural,
} from "./format.ts";

const AT_US = Date.UTC(2014, 2, 14, 5, 6, 7) * 1000;

test.each([
  [0, "0"],
  [-0, "0"],
  [21.456, "21.46"],
  [0.5, "0.5"],
  [0.1234, "0.123"],
  [-3.1, "−3.1"],
  [1013.25, "1,013"],
  [150.25, "150.3"],
  [100, "100"],
  [1_234_567, "1,234,567"],
  [2.5e12, "2.50e12"],
  [0.00002, "2.00e-5"],
  [Number.NaN, "–"],
  [Infinity, "–"],
])("the number %d reads %s", (value, text) => {
  expect(formatNumber(value)).toBe(text);
});

test.each([
  [undefined, "–"],
  [0, "0"],
  [0.01, "<0.1"],
  [0.44, "0.4"],
  [9.96, "10"],
  [1024, "1,024"],
  [12_480, "12.5k"],
  [999_499, "999k"],
  [999_600, "1.0M"],
])("the rate %d reads %s", (value, text) => {
  expect(formatRate(value)).toBe(text);
});

test.each([
  [-1, "0 s"],
  [59.9, "59 s"],
  [61, "1 min"],
  [3_600, "1 h"],
  [7_530, "2 h 5 min"],
  [90_000, "1 d 1 h"],
  [Number.NaN, "0 s"],
])("the age of %d seconds reads %s", (seconds, text) => {
  expect(formatAge(seconds * 1_000_000)).toBe(text);
});

test("instants are shown in the chosen zone, on a 24-hour clock", () => {
  expect(formatTime(AT_US, "utc")).toBe("05:06:07");
  expect(formatInstant(AT_US, "utc")).toBe("14 Mar 2014, 05:06");
  expect(formatInstant(Number.NEGATIVE_INFINITY, "utc")).toBe("–");
});

test("a past instant shows only as much of its date as it needs", () => {
  const hourUs = 3_600_000_000;
  expect(formatSince(AT_US, AT_US + hourUs, "utc")).toBe("05:06");
  expect(formatSince(AT_US, AT_US + 24 * hourUs, "utc")).toBe("14 Mar, 05:06");
  expect(formatSince(AT_US, AT_US + 400 * 24 * hourUs, "utc")).toBe("14 Mar 2014, 05:06");
});

test("other values are shown unchanged", () => {
  expect(formatValue("NNW")).toBe("NNW");
  expect(formatValue(true)).toBe("true");
  expect(formatValue(undefined)).toBe("–");
  expect(formatCount(9_999)).toBe("9,999");
  expect(plural(1, "device")).toBe("1 device");
  expect(plural(0, "device")).toBe("0 devices");
  expect(formatSpeed(3_587)).toBe("3,600×");
  expect(formatSpeed(1)).toBe("1×");
});

test.each([
  [Date.UTC(2014, 2, 11, 21), Date.UTC(2014, 2, 12), "11 Mar 2014, 21:00 – 12 Mar, 00:00"],
  [Date.UTC(2014, 2, 11, 21), Date.UTC(2014, 2, 11, 22), "11 Mar 2014, 21:00 – 22:00"],
  [Date.UTC(2014, 2, 11, 21), Date.UTC(2014, 2, 11, 21, 0, 5), "11 Mar 2014, 21:00:00 – 21:00:05"],
  [Date.UTC(2014, 2, 11, 23, 59, 59), Date.UTC(2014, 2, 12), "11 Mar 2014, 23:59:59 – 12 Mar 2014, 00:00:00"],
])("the span from %d to %d reads %s", (fromMs, toMs, text) => {
  expect(formatSpan(fromMs * 1000, toMs * 1000, "utc")).toBe(text);
});
