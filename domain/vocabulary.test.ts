import { expect, test } from "vitest";
import { decodeDeadLetter, encodeDeadLetter, encodeDeadLetterWithin } from "./dead-letter-codec.ts";
import { fnv1a32, partitionOf } from "./partition.ts";
import { alertSubject, partitionOfSubject, readingsSubject, subjectToken } from "./subjects.ts";
import { formatDurationUs, formatInstantUs, parseDurationUs } from "./time.ts";
import type { WindowsFrame } from "./window-result.ts";
import { decodeWindows, encodeWindows } from "./windows-codec.ts";

test.each([
  ["", 0x811c9dc5],
  ["a", 0xe40c292c],
  ["foobar", 0xbf9cf968],
])("FNV-1a of %j (published test vectors)", (input, expected) => {
  expect(fnv1a32(input)).toBe(expected);
});

function fnv1a32Reference(bytes: Uint8Array): number {
  let hash = 0x811c9dc5n;
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn;
  return Number(hash);
}

test("devices spread over all partitions", () => {
  const counts = new Array<number>(8).fill(0);
  for (let i = 0; i < 8000; i++)
    counts[partitionOf(`device-${i}`, 8)] = (counts[partitionOf(`device-${i}`, 8)] ?? 0) + 1;
  for (const count of counts) expect(count).toBeGreaterThan(800);
});

test.each([
  ["90s", 90e6],
  ["1h30m", 5400e6],
  ["1.5d", 129_600e6],
  ["250ms", 250e3],
  ["10us", 10],
  ["2w", 14 * 86_400e6],
])("duration %s", (input, us) => {
  expect(parseDurationUs(input)).toBe(us);
});

test.each(["", "5", "m", "5 m", "-5m", "5m30", "1y", "5M"])("%j is not a duration", (input) => {
  expect(parseDurationUs(input)).toBeUndefined();
});

test("durations and instants are written exactly", () => {
  expect(formatDurationUs(5400e6)).toBe("1h30m");
  expect(formatDurationUs(0)).toBe("0s");
  expect(formatDurationUs(86_400e6 + 5)).toBe("1d5us");
  expect(formatInstantUs(0)).toBe("1970-01-01T00:00:00.000Z");
  expect(formatInstantUs(1_000_001)).toBe("1970-01-01T00:00:01.000001Z");
  expect(formatInstantUs(-1)).toBe("1969-12-31T23:59:59.999999Z");
});

test("subject tokens escape the characters that are special to NATS", () => {
  expect(subjectToken("a.b*c>d e\u0000é")).toBe("a%2eb%2ac%3ed%20e%00%c3%a9");
  expect(alertSubject("cold room", "ff")).toBe("alerts.cold%20room.ff");
  expect(partitionOfSubject(readingsSubject(7))).toBe(7);
});

test("windows frames decode to the same results", () => {
  const frame: WindowsFrame = {
    partition: 3,
    firstInput: 41,
    lastInput: 2 ** 40,
    part: 0,
    parts: 1,
    results: [
      {
        rule: "r",
        labels: { device: "d" },
        startUs: 1e15,
        endUs: 1e15 + 6e7,
        revision: 0,
        aggregates: { avg: 1.5, min: -1 },
      },
      {
        rule: "r",
        labels: { device: "d" },
        startUs: 1e15 - 6e7,
        endUs: 1e15,
        revision: 2,
        aggregates: { avg: 0, min: -0.5 },
      },
      { rule: "q", labels: { device: "d", site: "s" }, startUs: 0, endUs: 1, revision: 0, aggregates: { count: 3 } },
    ],
  };
  expect(decodeWindows(encodeWindows(frame))).toEqual(frame);
});

test("dead letters keep the original bytes", () => {
  const letter = {
    reason: "bad-payload",
    detail: "no JSON",
    topic: "a/b\u0001",
    payload: new Uint8Array([0, 255, 10]),
    clientId: "c",
    receivedAtUs: 1_763_769_600_000_123,
  };
  expect(decodeDeadLetter(encodeDeadLetter(letter))).toEqual(letter);
  expect(decodeDeadLetter(encodeDeadLetter({ ...letter, position: 0 }))).toEqual({ ...letter, position: 0 });
});

test("a dead letter that is too large keeps the beginning of its payload, and says so", () => {
  const payload = new Uint8Array(1_000_000).map((_, i) => i);
  const about = { reason: "bad-payload", detail: "no JSON", clientId: "c", receivedAtUs: 1, position: 999_999 };
  const letter = { ...about, topic: "t".repeat(60_000), payload };
  expect(decodeDeadLetter(encodeDeadLetterWithin(letter, 2_000_000))).toEqual(letter);
  const bytes = encodeDeadLetterWithin(letter, 500_000);
  expect(bytes.length).toBeLessThanOrEqual(500_000);
  expect(bytes.length).toBeGreaterThan(499_900);
  const cut = decodeDeadLetter(bytes);
  expect(cut).toMatchObject({ topic: letter.topic, wholeBytes: 1_000_000, position: 999_999 });
  expect(cut.payload).toEqual(payload.slice(0, cut.payload.length));
  const words = `of the payload's 1000000 bytes only the first ${cut.payload.length} are kept`;
  expect(cut.detail).toBe(`no JSON; ${words}`);
  // Shortened again, it still knows its original size.
  expect(decodeDeadLetter(encodeDeadLetterWithin(cut, 100_000)).wholeBytes).toBe(1_000_000);
});

test("a dead letter whose texts alone are too large keeps the beginnings of those", () => {
  const letter = {
    reason: "bad-name",
    detail: "d".repeat(9_000),
    topic: "\u{20ac}".repeat(60_000),
    payload: new Uint8Array(3_000),
    clientId: "c".repeat(60_000),
    receivedAtUs: 1,
  };
  const bytes = encodeDeadLetterWithin(letter, 8_192);
  expect(bytes.length).toBeLessThanOrEqual(8_192);
  const cut = decodeDeadLetter(bytes);
  expect(cut.topic).toBe("\u{20ac}".repeat(500));
  expect(cut.detail).toContain("of the topic's 60000 characters only the first 500 are kept");
  expect(cut.payload.length).toBe(3_000);
});

test("FNV-1a hashes the UTF-8 bytes", () => {
  expect(fnv1a32("café")).toBe(fnv1a32Reference(new TextEncoder().encode("café")));
});
