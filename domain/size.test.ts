import { expect, test } from "vitest";
import { formatSizeBytes, parseSizeBytes } from "./size.ts";

test.each([
  ["0B", 0],
  ["256B", 256],
  ["64KiB", 65_536],
  ["64MiB", 67_108_864],
  ["1.5GiB", 1_610_612_736],
  ["2TiB", 2_199_023_255_552],
])("%s is %d bytes", (text, bytes) => {
  expect(parseSizeBytes(text)).toBe(bytes);
});

test.each(["", "64", "64MB", "64 MiB", "64mib", "-1B", "1e3B", "MiB", "1GiB512MiB", "64M"])(
  "%j is not a size",
  (text) => {
    expect(parseSizeBytes(text)).toBeUndefined();
  },
);

test.each([
  [0, "0B"],
  [256, "256B"],
  [1_000, "1000B"],
  [1_536, "1536B"],
  [65_536, "64KiB"],
  [10_737_418_240, "10GiB"],
])("%d bytes are written %s, and read back the same", (bytes, text) => {
  expect(formatSizeBytes(bytes)).toBe(text);
  expect(parseSizeBytes(text)).toBe(bytes);
});
