import { z } from "zod";
import { durationField } from "../../platform/files/schemas.ts";
import { addressSchema, secretEnv, secretFile } from "../../platform/files/secret-values.ts";

export const influxdbSchema = z.strictObject({
  url: addressSchema({
    protocols: ["http", "https"],
    example: "http://127.0.0.1:8086",
    instead: "token_env or token_file",
  }).describe("Address of InfluxDB 2."),
  token: z.string().min(1).describe("A token that may read and write the bucket."),
  org: z.string().min(1).describe("The organization that owns the bucket."),
  bucket: z.string().min(1).describe("The bucket to write results to."),
  request_timeout: durationField("1s", "1d")
    .prefault("30s")
    .describe("A request that takes longer is cancelled and retried."),
  retry_after_max: durationField("10ms", "1d")
    .prefault("30s")
    .describe("The longest pause between two attempts while InfluxDB is unavailable."),
  requests_max: z.int().min(1).max(16).default(2).describe("Batches of readings that may be in flight at a time."),
});

export type InfluxdbConfig = z.output<typeof influxdbSchema>;

/** As in `weir.yaml`, which holds no secrets: a variable or a file supplies the token. */
export const influxdbEntrySchema = influxdbSchema
  .omit({ token: true })
  .extend({
    token_env: secretEnv("a token that may read and write the bucket"),
    token_file: secretFile("a token that may read and write the bucket"),
  })
  .refine(({ token_env, token_file }) => token_env === undefined || token_file === undefined, {
    error: "give either token_env or token_file",
  });

export type InfluxdbEntry = z.output<typeof influxdbEntrySchema>;
