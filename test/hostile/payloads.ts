/** Messages that are not, or not only, readings, each with the reason of its dead letter. */
export type HostileMessage = readonly [topic: string, payload: string, reason: string];

const telemetry = "sensors/s/hostile/telemetry";
const bare = "sensors/s/hostile/value";

function nested(open: string, close: string, depth: number): string {
  return `${open.repeat(depth)}1${close.repeat(depth)}`;
}

function fields(count: number, nameOf: (i: number) => string): string {
  return JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [nameOf(i), i])));
}

/** Each in a packet of about `bytes`. */
export function hostileNumbers(bytes: number): readonly HostileMessage[] {
  return [
    [bare, `${"1".repeat(bytes - 200)}x`, "too-large"],
    [bare, `1e${"1".repeat(bytes - 200)}x`, "too-large"],
    [bare, `a${" ".repeat(bytes - 200)}b`, "too-large"],
    [telemetry, `{"ts": "${"1".repeat(10_000)}x", "t": "${"1".repeat(bytes - 11_000)}x"}`, "too-large"],
  ];
}

export function hostileNesting(bytes: number): readonly HostileMessage[] {
  const [deep, deepObjects] = [60_000, Math.min(60_000, Math.floor(bytes / 6) - 200)];
  return [
    // A flaw costs its value: `u` is stored.
    [telemetry, `{"t": ${nested("[", "]", 4_156)}, "u": 1}`, "too-large"],
    [telemetry, `{"t": ${nested("[", "]", deep)}, "u": 1}`, "too-large"],
    [telemetry, `{"t": ${nested('{"a":', "}", deepObjects)}, "u": 1}`, "too-large"],
    [telemetry, nested("[", "]", deep), "bad-payload"],
    [telemetry, nested('{"a":', "}", deepObjects), "too-large"],
    [telemetry, "[".repeat(bytes - 200), "bad-payload"],
    [telemetry, `{"a":`.repeat(40_000), "bad-payload"],
  ];
}

export function hostileNames(bytes: number): readonly HostileMessage[] {
  return [
    [telemetry, `{"${"n".repeat(bytes - 200)}": 1}`, "bad-name"],
    [telemetry, `{"a\\u0007": 1}`, "bad-name"],
    [`sensors/s/${"d".repeat(60_000)}/telemetry`, fields(30, (i) => `m${i}`), "bad-name"],
    [`sensors/${"s".repeat(60_000)}/d/telemetry`, fields(30, (i) => `m${i}`), "bad-name"],
    [`sensors/s/d/${"m".repeat(60_000)}`, "1", "bad-name"],
    [`${"nowhere/".repeat(8)}${"x".repeat(65_000)}`, "1".repeat(bytes - 66_000), "unknown-topic"],
  ];
}

export function hostilePrefixes(): readonly HostileMessage[] {
  return [
    [telemetry, `{"${"p".repeat(200_000)}": ${fields(4_900, String)}}`, "bad-name"],
    // As readings they need more than a frame: each of their names begins with the longest allowed prefix.
    [
      `sensors/${"s".repeat(256)}/${"d".repeat(256)}/telemetry`,
      `{"${"p".repeat(250)}": ${fields(4_900, String)}}`,
      "too-large",
    ],
  ];
}

export function hostileMessages(bytes: number): readonly HostileMessage[] {
  return [hostileNumbers(bytes), hostileNesting(bytes), hostileNames(bytes), hostilePrefixes()].flat();
}
