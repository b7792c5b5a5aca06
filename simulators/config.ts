import { z } from "zod";

const probability = z.number().min(0).max(1);

const connection = {
  url: z
    .string()
    .regex(/^(mqtt|mqtts|tcp):\/\//, "expected mqtt://host:port or mqtts://host:port")
    .default("mqtt://127.0.0.1:1883")
    .describe("Address of the MQTT broker."),
  username: z.string().optional().describe("User name for the broker."),
  password: z.string().optional().describe("Password for the broker."),
};

const metricSchema = z.strictObject({
  name: z.string().min(1).describe("Name of the field in the payload."),
  base: z.number().describe("The value that the wave swings around."),
  amplitude: z.number().default(0).describe("Height of the daily-like wave."),
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
  spike: probability.default(0).describe("Chance that one value of a message is far off."),
  spikeSize: z.number().default(20).describe("How far off: this many times the metric's noise plus amplitude."),
  dropout: probability.default(0).describe("Chance, at each message, that the device falls silent."),
  dropoutMs: z.int().positive().default(30_000).describe("How long a silent device stays silent."),
  skewedDevices: probability.default(0).describe("Share of the devices whose clock is wrong."),
  skewMs: z.int().default(3_600_000).describe("How far wrong clocks run ahead; negative for behind."),
  duplicate: probability.default(0).describe("Chance that a message is sent twice."),
  outOfOrder: probability.default(0).describe("Chance that a message is held back until after the next one."),
});

/** A made-up fleet of devices that publish over MQTT. */
export const fleetConfig = z.strictObject({
  ...connection,
  seed: z.int().default(1).describe("The same seed gives the same values and the same faults."),
  sites: z
    .array(z.string().min(1))
    .min(1)
    .default(["north", "south"])
    .describe("Devices are dealt to these sites in turn."),
  devices: z.int().min(1).max(100_000).default(20).describe("How many devices."),
  devicePrefix: z.string().default("device-").describe("Devices are named by this and a number from 1."),
  metrics: z
    .array(metricSchema)
    .min(1)
    .prefault([...METRICS])
    .describe("What every device measures."),
  intervalMs: z.number().positive().default(1000).describe("Time between two messages of a device."),
  periodMs: z
    .number()
    .positive()
    .default(300_000)
    .describe("Length of the wave: a day in nature, five minutes by default."),
  rounds: z.int().positive().optional().describe("Stop after this many messages of each device; without it, go on."),
  qos: z
    .union([z.literal(0), z.literal(1), z.literal(2), z.literal("mixed")])
    .default(1)
    .describe("MQTT quality of service; `mixed` deals 0, 1 and 2 to the devices in turn."),
  connections: z
    .union([z.int().min(1).max(10_000), z.literal("per-device")])
    .default(8)
    .describe("How many connections the devices share, or one for each."),
  inFlightMax: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe("Unfinished messages per connection; more are not sent, and counted."),
  drainMs: z.int().min(0).default(5000).describe("On stop, wait this long for acknowledgements."),
  ledger: z.boolean().default(false).describe("Keep a list of every reading sent, for tests."),
  ledgerMax: z
    .int()
    .positive()
    .default(1_000_000)
    .describe("The ledger's limit; readings beyond it are counted, not listed."),
  faults: faultsSchema.prefault({}).describe("What goes wrong, and how often."),
});
export type FleetConfig = z.output<typeof fleetConfig>;

const timeSchema = z.union([
  z.strictObject({
    column: z.string().min(1).describe("Column that holds the time: ISO 8601 (UTC unless it says), or a number."),
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
    fileName: z
      .string()
      .default("^(.+?)\\.csv(?:\\.gz)?$")
      .describe("Regular expression for the file's name; its first group names the device."),
  }),
]);
export type DeviceColumn = z.output<typeof deviceSchema>;

const columnsSchema = z.strictObject({
  time: timeSchema
    .prefault({ column: "ts" })
    .describe("Where the event time stands (year, month... are taken as UTC)."),
  device: deviceSchema.prefault({ fileName: undefined }).describe("Where the device's name stands."),
  metrics: z.array(z.string().min(1)).min(1).optional().describe("Columns to send; without it, all others."),
  ignore: z.array(z.string()).default([]).describe("Columns not to send."),
  missing: z
    .array(z.string())
    .default(["NA"])
    .describe("Cells, besides blank ones, that mean that nothing was measured."),
});
export type Columns = z.output<typeof columnsSchema>;

/** Recorded data, published again as if it happened now. */
export const replayConfig = z.strictObject({
  ...connection,
  paths: z.array(z.string().min(1)).min(1).describe("CSV files (plain or .gz), or folders of them."),
  filesMax: z.int().positive().default(500).describe("Refuse to open more files than this at once."),
  columns: columnsSchema.prefault({}).describe("What the columns mean."),
  site: z.string().min(1).default("replay").describe("Site in the topic `sensors/<site>/<device>/telemetry`."),
  speed: z
    .union([z.number().positive(), z.literal("max")])
    .default(1)
    .describe("Event time per real time: 3600 plays an hour in a second; `max` as fast as acknowledgements come."),
  loop: z
    .boolean()
    .default(false)
    .describe(
      "Begin again at the end, with event times moved on by the recording's length, until they would reach the present.",
    ),
  notBeforeUs: z
    .int()
    .optional()
    .describe(
      "Move event times on by whole days until none is before this instant (microseconds), to go on after an earlier replay.",
    ),
  connections: z.int().min(1).max(256).default(4).describe("Connections to use; a device stays on one."),
  inFlightMax: z.int().min(1).max(10_000).default(100).describe("Unacknowledged messages per connection."),
  drainMs: z.int().min(0).default(5000).describe("On stop, wait this long for acknowledgements."),
});
export type ReplayConfig = z.output<typeof replayConfig>;
