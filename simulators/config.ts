import { z } from "zod";
import { INSTANT_US_MAX, parseDurationUs, US_PER_MS } from "../domain/time.ts";
import { durationField } from "../platform/files/schemas.ts";
import { addressSchema, secretEnv, secretFile, secretValue } from "../platform/files/secret-values.ts";

const probability = z.number().min(0).max(1);

const connection = {
  url: addressSchema({
    protocols: ["mqtt", "mqtts", "tcp"],
    example: "mqtt://127.0.0.1:1883 (or mqtts://)",
    instead: "username and password_env (or password_file)",
  })
    .default("mqtt://127.0.0.1:1883")
    .describe("Address of the MQTT broker."),
  username: z.string().optional().describe("User name for the broker."),
  password_env: secretEnv("the password for the broker"),
  password_file: secretFile("the password for the broker"),
};

/** A duration, which may be negative. */
const skewSchema = z.string().transform((text, context) => {
  const us = parseDurationUs(text.replace(/^-/, ""));
  if (us !== undefined) return text.startsWith("-") ? -us : us;
  const help = "write for example 30s, 1h, or -1h for clocks that are behind";
  context.addIssue({ code: "custom", message: `"${text}" is not a duration`, params: { help } });
  return z.NEVER;
});

/** An instant as people write it, parsed to microseconds. */
const instantSchema = z.string().transform((text, context) => {
  const us = Date.parse(text) * US_PER_MS;
  if (!Number.isNaN(us) && Math.abs(us) <= INSTANT_US_MAX) return us;
  const help = "write for example 2026-11-22T08:00:00Z";
  context.addIssue({ code: "custom", message: `"${text}" is not an instant`, params: { help } });
  return z.NEVER;
});

const metricSchema = z.strictObject({
  name: z.string().min(1).describe("Name of the field in the payload."),
  base: z.number().describe("The mean of the wave."),
  amplitude: z.number().default(0).describe("Amplitude of the wave."),
  noise: z.number().min(0).default(0).describe("Standard deviation of the noise on each value."),
  decimals: z.int().min(0).max(9).default(2).describe("Values are rounded to this many decimals."),
});
export type FleetMetric = z.output<typeof metricSchema>;

const METRICS: readonly z.input<typeof metricSchema>[] = [
  { name: "temperature", base: 21, amplitude: 4, noise: 0.15 },
  { name: "humidity", base: 55, amplitude: 12, noise: 0.8, decimals: 1 },
  { name: "vibration", base: 1.2, amplitude: 0.3, noise: 0.08, decimals: 3 },
];

const faultsSchema = z.strictObject({
  spike: probability.default(0).describe("Chance that one value of a message is an outlier."),
  spike_size: z
    .number()
    .default(20)
    .describe("Size of an outlier, as a multiple of the metric's noise plus amplitude."),
  dropout: probability.default(0).describe("Chance, at each message, that the device falls silent."),
  dropout_time: durationField("1ms", "365d").prefault("30s").describe("How long a silent device stays silent."),
  skewed_devices: probability.default(0).describe("Share of the devices whose clock is wrong."),
  skew: skewSchema.prefault("1h").describe("How far wrong clocks run ahead. A negative value (`-1h`) means behind."),
  duplicate: probability.default(0).describe("Chance that a message is sent twice."),
  out_of_order: probability.default(0).describe("Chance that a message is held back until after the next one."),
});

/** A simulated fleet of devices that publish over MQTT. */
export const fleetConfig = z.strictObject({
  ...connection,
  seed: z.int().default(1).describe("The same seed gives the same values and the same faults."),
  sites: z
    .array(z.string().min(1))
    .min(1)
    .default(["north", "south"])
    .describe("Sites; devices are assigned to them in turn."),
  devices: z.int().min(1).max(100_000).default(20).describe("How many devices."),
  device_prefix: z.string().default("device-").describe("Prefix of the device names. A number from 1 follows."),
  metrics: z
    .array(metricSchema)
    .min(1)
    .prefault([...METRICS])
    .describe("What every device measures."),
  interval: durationField("1us", "365d").prefault("1s").describe("Time between two messages of a device."),
  period: durationField("1ms", "365d")
    .prefault("5m")
    .describe("Length of the wave: a day in nature, five minutes by default."),
  rounds: z.int().positive().optional().describe("Stop after this many messages of each device. If omitted, never."),
  qos: z
    .union([z.literal(0), z.literal(1), z.literal(2), z.literal("mixed")])
    .default(1)
    .describe("MQTT quality of service; `mixed` assigns 0, 1 and 2 to the devices in turn."),
  connections: z
    .union([z.int().min(1).max(10_000), z.literal("per-device")])
    .default(8)
    .describe("How many connections the devices share, or one for each."),
  inflight_max: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe("Unacknowledged messages per connection; more are counted and not sent."),
  drain: durationField("0s", "1h").prefault("5s").describe("On stop, wait this long for acknowledgements."),
  ledger: z.boolean().default(false).describe("Keep a list of every reading sent, for tests."),
  ledger_max: z
    .int()
    .positive()
    .default(1_000_000)
    .describe("The ledger's limit; readings beyond it are counted, not listed."),
  faults: faultsSchema.prefault({}).describe("What goes wrong, and how often."),
});
export type FleetConfig = z.output<typeof fleetConfig>;

const timeSchema = z.union([
  z.strictObject({
    column: z.string().min(1).describe("Column that holds the time: ISO 8601 (UTC without an offset), or a number."),
    unit: z.enum(["s", "ms", "us", "ns"]).default("ms").describe("Unit of a time that is a number."),
  }),
  z.strictObject({
    year: z.string().min(1),
    month: z.string().min(1),
    day: z.string().min(1),
    hour: z.string().min(1).optional(),
    minute: z.string().min(1).optional(),
  }),
]);
export type TimeColumns = z.output<typeof timeSchema>;

const deviceSchema = z.union([
  z.strictObject({ column: z.string().min(1).describe("Column that names the device.") }),
  z.strictObject({
    file_name: z
      .string()
      .default("^(.+?)\\.csv(?:\\.gz)?$")
      .describe("Regular expression for the file's name; its first group names the device."),
  }),
]);
export type DeviceColumn = z.output<typeof deviceSchema>;

const columnsSchema = z.strictObject({
  time: timeSchema
    .prefault({ column: "ts" })
    .describe("Columns of the event time. `year`, `month` and so on are taken as UTC."),
  device: deviceSchema.prefault({ file_name: undefined }).describe("Where to find the device's name."),
  tags: z
    .array(z.string().min(1))
    .default([])
    .describe("Columns that hold tags of the row's series, for back-tests. A replay over MQTT has only the site."),
  metrics: z.array(z.string().min(1)).min(1).optional().describe("Columns to send. Default: all others."),
  ignore: z.array(z.string()).default([]).describe("Columns not to send."),
  missing: z.array(z.string()).default(["NA"]).describe("Texts of cells without a measurement, besides blank ones."),
});
export type Columns = z.output<typeof columnsSchema>;

/** Recorded data, published again as if it were measured now. */
export const replayConfig = z.strictObject({
  ...connection,
  paths: z.array(z.string().min(1)).min(1).describe("CSV files (plain or .gz), or folders of them."),
  files_max: z.int().positive().default(500).describe("Refuse to open more files than this at once."),
  columns: columnsSchema.prefault({}).describe("What the columns mean."),
  site: z.string().min(1).default("replay").describe("Site in the topic `sensors/<site>/<device>/telemetry`."),
  speed: z
    .union([z.number().positive(), z.literal("max")])
    .default(1)
    .describe(
      "Event time per real time: 3600 replays an hour in a second; `max` is as fast as acknowledgements arrive.",
    ),
  loop: z
    .boolean()
    .default(false)
    .describe(
      "Start over at the end, with event times shifted by the length of the recording, until they would reach the present.",
    ),
  not_before: instantSchema
    .optional()
    .describe(
      "Shift event times by whole days until none is before this instant (ISO 8601), to continue after an earlier replay.",
    ),
  connections: z.int().min(1).max(256).default(4).describe("Connections to use; a device stays on one."),
  inflight_max: z.int().min(1).max(10_000).default(100).describe("Unacknowledged messages per connection."),
  drain: durationField("0s", "1h").prefault("5s").describe("On stop, wait this long for acknowledgements."),
});
export type ReplayConfig = z.output<typeof replayConfig>;
export type ReplayInput = z.input<typeof replayConfig>;

/** Reads the password for the broker from its configured place. Throws SecretError. */
export function passwordOf(config: Pick<FleetConfig, "password_env" | "password_file">): string | undefined {
  const { password_env: env, password_file: file } = config;
  return secretValue("the password for the broker", { env, file }, process.env);
}
