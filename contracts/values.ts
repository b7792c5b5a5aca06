import { z } from "zod";
import { SEVERITIES } from "../domain/alert.ts";
import { INSTANT_US_MAX } from "../domain/time.ts";

// Schemas of values that several questions and reports share.

export const tagsSchema = z.record(z.string(), z.string());
export const severitySchema = z.enum(SEVERITIES);
export const alertStateSchema = z.enum(["inactive", "pending", "firing", "resolved"]);
export const instantUsSchema = z.number().int().min(-INSTANT_US_MAX).max(INSTANT_US_MAX);
export const countSchema = z.int().min(0);
/** JSON has no NaN, which is sent as null. Some aggregates are texts. */
export const figureSchema = z.union([z.number(), z.string(), z.null().transform(() => Number.NaN)]);

/** For questions without parameters; anything that is sent is ignored. */
export const nothingSchema = z.unknown();
