import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ALL_DOORS, type Attack, type AttackContext, flood, isBridged, publishEach } from "./attack.ts";
import { type HostileMessage, hostileNames, hostileNesting, hostileNumbers, hostilePrefixes } from "./payloads.ts";

/** The largest packets of a device, and of the bridge. */
const [PACKET_BYTES, BRIDGED_BYTES] = [256 * 1_024, 1_024 * 1_024];
const TIMES = 5;
const FLOODERS = 8;
const METRICS = 50;

function eachOf(messagesOf: (bytes: number) => readonly HostileMessage[]): Attack["run"] {
  return (context) => publishEach(context, messagesOf(isBridged(context.door) ? BRIDGED_BYTES : PACKET_BYTES), TIMES);
}

/** New devices, and new metrics of them, as fast as possible. */
function inventedNames(context: AttackContext): Promise<number> {
  return flood(context, FLOODERS, (n) => {
    const fields = Array.from({ length: METRICS }, (_, m) => `"m${n % 7}x${m}":${n}`).join();
    return [`sensors/s/invented-${context.tag}-${n % 5_000}/telemetry`, `{${fields}}`];
  });
}

/** One device with ever new metrics. */
function inventedMetrics(context: AttackContext): Promise<number> {
  return flood(context, FLOODERS, (n) => {
    const fields = Array.from({ length: METRICS }, (_, m) => `"${context.tag}-${n}-${m}":1`).join();
    return ["sensors/s/inventor/telemetry", `{${fields}}`];
  });
}

/** Values and times at the edges of what numbers, stores and calendars hold; and metrics that change their kind. */
function poisonRows(context: AttackContext): Promise<number> {
  const values = [
    "1e308",
    "-1e308",
    "5e-324",
    "-0",
    "1e999",
    "9007199254740993",
    "true",
    '"text"',
    '"\\u0000"',
    "null",
  ];
  const times = ["-62135596800", "0", "253402300799", "-1", "1e30", '"9999-12-31T23:59:59.999999999Z"', "1700000000.5"];
  return flood(context, 2, (n) => {
    const [value, ts] = [values[n % values.length], times[n % times.length]];
    return [`sensors/s/poison-${n % 10}/telemetry`, `{"ts": ${ts}, "same": ${value}, "é\\u2028": ${n}}`];
  });
}

async function withRule(context: AttackContext, rule: string, act: () => Promise<number>): Promise<number> {
  const file = join(context.rulesDir, `hostile-${context.tag}.yaml`);
  await writeFile(file, rule);
  try {
    return await act();
  } finally {
    await rm(file, { force: true });
  }
}

/** A rule that keeps billions of windows open, if it may. */
function poisonRule(context: AttackContext): Promise<number> {
  const rule = [
    "rules:",
    "  - id: poison",
    "    where: { metric: poisoned }",
    "    window: { tumbling: 1ms }",
    "    lateness: 30d",
    '    when: "> 0"',
    "",
  ].join("\n");
  const nowMs = Date.now();
  return withRule(context, rule, () =>
    flood(context, 2, (n) => [
      `sensors/s/ruled-${n % 20}/telemetry`,
      `{"ts": ${nowMs - ((n * 7_919) % 2_000_000_000)}, "poisoned": ${n}}`,
    ]),
  );
}

/** Thousands of devices whose alerts fire and resolve all the time. */
function alertFlood(context: AttackContext): Promise<number> {
  const rule = 'rules:\n  - id: flood\n    where: { metric: alarm }\n    window: { count: 1 }\n    when: "> 0"\n';
  return withRule(context, rule, () =>
    flood(context, 4, (n) => [
      `sensors/s/alarming-${n % 2_000}/telemetry`,
      `{"alarm": ${Math.floor(n / 2_000) % 2 === 0 ? 1 : -1}}`,
    ]),
  );
}

export const MESSAGE_ATTACKS: readonly Attack[] = [
  { name: "names", doors: ALL_DOORS, run: eachOf(hostileNames) },
  { name: "numbers", doors: ALL_DOORS, run: eachOf(hostileNumbers) },
  { name: "nesting", doors: ALL_DOORS, run: eachOf(hostileNesting) },
  { name: "prefixes", doors: ALL_DOORS, run: eachOf(() => hostilePrefixes()) },
  {
    name: "unknown topics",
    doors: ALL_DOORS,
    run: (context) => flood(context, FLOODERS, (n) => [`nowhere/${context.tag}/${n}`, "1".repeat(n % 300)]),
  },
  { name: "poison rows", doors: ALL_DOORS, run: poisonRows },
  { name: "poison rule", doors: ["tcp"], run: poisonRule },
  { name: "alert flood", doors: ["tcp"], run: alertFlood },
];

/** They come last: all attackers share one address, and after these it has no series left. */
export const CARDINALITY_ATTACKS: readonly Attack[] = [
  { name: "invented devices", doors: ALL_DOORS, run: inventedNames },
  { name: "invented metrics", doors: ALL_DOORS, run: inventedMetrics },
];
