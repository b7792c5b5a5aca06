import type { z } from "zod";
import { letterRetrySchema, retryReportSchema, retryResultSchema } from "../dead-letters.ts";
import { explainedReadingSchema, incidentExplanationSchema } from "../explanations.ts";
import { alertChangeSchema, deviceItemSchema } from "../feed/items.ts";
import { acknowledgementSchema, deliverySchema, openAlertSchema, silenceSchema } from "../notifications.ts";
import { seriesSchema, statesSchema } from "./data.ts";
import { letterSchema, letterSummarySchema } from "./dead-letters.ts";
import { readinessSchema } from "./gateway.ts";
import { problemSchema } from "./problem.ts";

/** Schemas with a name in `docs/openapi.yaml`; all others are written out where they are used. */
export const NAMED_SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  Acknowledgement: acknowledgementSchema,
  AlertChange: alertChangeSchema,
  DeadLetter: letterSchema,
  DeadLetterSummary: letterSummarySchema,
  Delivery: deliverySchema,
  DeviceItem: deviceItemSchema,
  ExplainedReading: explainedReadingSchema,
  IncidentExplanation: incidentExplanationSchema,
  LetterRetry: letterRetrySchema,
  OpenAlert: openAlertSchema,
  Problem: problemSchema,
  Readiness: readinessSchema,
  RetryReport: retryReportSchema,
  RetryResult: retryResultSchema,
  Series: seriesSchema,
  Silence: silenceSchema,
  States: statesSchema,
};
