import { z } from "zod";
import { durationField, sizeField } from "../../platform/files/schemas.ts";
import { sourceListSchema } from "../mapping/source-list.ts";

export const DEFAULT_SOURCES = [
  { topic: "sensors/{site}/{device}/telemetry", format: "json" },
  { topic: "sensors/{site}/{device}/{metric}", format: "value" },
] as const;

function names(fallback: number, description: string) {
  return z.int().min(1).max(100_000_000).default(fallback).describe(description);
}

export const ingestConfigSchema = z.strictObject({
  sources: sourceListSchema
    .prefault(() => DEFAULT_SOURCES.map((source) => ({ ...source })))
    .describe(
      "How topics and payloads become readings. The first source whose topic matches, and whose `when` holds, applies. `use: tasmota` stands for ready-made sources.",
    ),
  frame: z
    .strictObject({
      readings_max: z
        .int()
        .min(1)
        .max(10_000)
        .default(500)
        .describe("The most readings in one entry of the log. A full entry is written at once."),
      linger: durationField("0s", "100ms")
        .prefault("2ms")
        .describe(
          "How long a reading may wait for others before its entry is written, if its sender waits for the acknowledgement.",
        ),
      ack_budget: durationField("0s", "1s")
        .prefault("20ms")
        .describe(
          "How long a reading may wait for others if its sender does not: a sensor that publishes by its clock, or with QoS 0. Fewer, larger entries cost less.",
        ),
    })
    .prefault({})
    .describe(
      "How readings are batched into entries of the log. Devices wait for their acknowledgement until the entry is written.",
    ),
  clock: z
    .strictObject({
      max_ahead: durationField("0s", "365d")
        .prefault("1m")
        .describe("A reading further in the future than this gets its time of receipt instead."),
      not_before: z.iso
        .date({ error: "write a date, as 2001-01-01" })
        .default("2001-01-01")
        .describe(
          "A reading from before this day (UTC) is from a clock that fell back, as to 1970 or 2000: it gets its time of receipt instead.",
        ),
    })
    .prefault({})
    .describe("How to handle device clocks that are wrong."),
  sparkplug: z
    .strictObject({
      host_id: z
        .string()
        .regex(/^[^/+#\p{Cc}]{1,64}$/u, "a name without /, + and #")
        .optional()
        .describe(
          "The name of this host application. With it, Weir publishes `spBv1.0/STATE/<name>`, for which edge nodes can wait.",
        ),
    })
    .prefault({})
    .describe("For sources of the format `sparkplug`."),
  limits: z
    .strictObject({
      readings_per_message_max: z
        .int()
        .min(1)
        .max(100_000)
        .default(5_000)
        .describe("The most readings in one message. A message with more becomes a dead letter."),
      nesting_max: z.int().min(1).max(64).default(8).describe("Depth of nested JSON objects."),
      text_size_max: sizeField("1B", "64KiB").prefault("4KiB").describe("The longest string value."),
      name_size_max: sizeField("16B", "1KiB")
        .prefault("256B")
        .describe("The longest name of a device or a metric, and the longest value of a tag."),
      topics_max: z
        .int()
        .min(100)
        .max(10_000_000)
        .default(200_000)
        .describe("Number of topics whose source Weir caches. Above it, Weir clears the cache."),
      series_max: names(
        200_000,
        "Series (a metric of a device with its tags) that may send. The page shows as many: see `feed.history.series_max`. One user, or one address of clients without a user, gets at most half of them. A message with a series above the limit becomes a dead letter; its other readings are stored.",
      ),
      series_per_device_max: names(10_000, "The same for the metrics of one device with its tags."),
      devices_max: names(
        50_000,
        "Devices (with their tags) that may send. The page shows as many: see `feed.history.devices_max`. One user, or one address, gets at most half of them. A message of a device above the limit becomes a dead letter.",
      ),
      devices_per_user_max: names(
        25_000,
        "The same for the devices of one user, or of one address of clients without a user. A bridge counts as one user.",
      ),
      forget_after: durationField("1m", "3650d")
        .prefault("30d")
        .describe("A device or series that sends nothing for this long no longer counts toward these limits."),
    })
    .prefault({})
    .describe("Limits on messages, devices and series. A message that exceeds one becomes a dead letter."),
});

export type IngestConfig = z.output<typeof ingestConfigSchema>;
