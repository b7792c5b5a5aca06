import type { z } from "zod";
import { alertChangeSchema, deviceItemSchema } from "../feed/items.ts";
import {
  acknowledgementSchema,
  deliverySchema,
  explainedReadingSchema,
  explanationSchema,
  openAlertSchema,
  silenceSchema,
} from "./alerts.ts";
import { seriesSchema } from "./data.ts";
import {
  letterRetrySchema,
  letterSchema,
  letterSummarySchema,
  retryReportSchema,
  retryResultSchema,
} from "./dead-letters.ts";
import { readinessSchema } from "./gateway.ts";
import { problemSchema } from "./problem.ts";

/** Schemas that have a name in `docs/openapi.yaml`; all others are written out where they are used. */
export const NAMED_SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  Acknowledgement: acknowledgementSchema,
  AlertChange: alertChangeSchema,
  DeadLetter: letterSchema,
  DeadLetterSummary: letterSummarySchema,
  Delivery: deliverySchema,
  DeviceItem: deviceItemSchema,
  ExplainedReading: explainedReadingSchema,
  IncidentExplanation: explanationSchema,
  LetterRetry: letterRetrySchema,
  OpenAlert: openAlertSchema,
  Problem: problemSchema,
  Readiness: readinessSchema,
  RetryReport: retryReportSchema,
  RetryResult: retryResultSchema,
  Series: seriesSchema,
  Silence: silenceSchema,
};
