import type { z } from "zod";
import {
  acknowledgementSchema,
  activityAnswer,
  alertsAnswer,
  deliveriesAnswer,
  devicesAnswer,
  explanationAnswer,
  healthAnswer,
  incidentAnswer,
  letterAnswer,
  lettersAnswer,
  openAlertsAnswer,
  readinessAnswer,
  rulesAnswer,
  seriesAnswer,
  silenceSchema,
  silencesAnswer,
} from "./answer-schemas.ts";
import { alertsQuery, devicesQuery, seriesQuery } from "./api.ts";
import { lettersQuery, reportSchema, retryBody, retryManyBody, retryResultSchema } from "./dead-letters.ts";
import { openAlertsQuery } from "./incidents.ts";
import { acknowledgeBody, removeQuery, silenceBody } from "./orders.ts";

export interface Operation {
  readonly id: string;
  readonly tag: "data" | "alerts" | "silences" | "rules" | "dead letters" | "gateway";
  readonly summary: string;
  readonly description?: string;
  readonly query?: z.ZodObject;
  /** Parameters that the query does not name are a filter by these. */
  readonly filter?: string;
  readonly body?: z.ZodType;
  /** Text, where it is no JSON. */
  readonly answer: z.ZodType | "text/plain";
  /** Which answers there are besides the good one, and besides those that every operation of its kind has. */
  readonly more?: Readonly<Record<number, string>>;
  readonly open?: true;
}

const STORE = { 502: "The store answered with an error.", 503: "The store does not answer." };
const NOTIFIER = { 502: "The notifier answered with an error.", 503: "The notifier does not answer." };
const NOTIFIER_REFUSES = {
  422: "The notifier refuses the order, in its own words.",
  502: NOTIFIER[502],
  503: NOTIFIER[503],
};
const INGEST = { 502: "The ingest answered with something else.", 503: "The ingest does not answer." };

/** Everything that can be asked and ordered over HTTP, by method and path. */
export const API: Readonly<Record<string, Operation>> = {
  "GET /api/v1/series": {
    id: "series",
    tag: "data",
    summary: "The past of one sensor, in equal buckets of time",
    query: seriesQuery,
    answer: seriesAnswer,
    more: { ...STORE, 404: "The token does not show this device." },
  },
  "GET /api/v1/alerts": {
    id: "alerts",
    tag: "alerts",
    summary: "Alert changes, newest first",
    description:
      "`state=open`, `pending` or `firing`: the incidents that go on, by their newest change. `ended`, `resolved` or `inactive`: " +
      "those that are over, by their last change. `all`: every change of a span of time (a day when not given). Without `state` " +
      "and any other parameter: `open`.",
    query: alertsQuery,
    filter: "`rule`, `severity` and labels",
    answer: alertsAnswer,
    more: STORE,
  },
  "GET /api/v1/devices": {
    id: "devices",
    tag: "data",
    summary: "Devices with their newest values and their counts, by name",
    query: devicesQuery,
    filter: "`device`, `metric` and tags",
    answer: devicesAnswer,
  },
  "GET /api/v1/rules": {
    id: "rules",
    tag: "rules",
    summary: "The rule set that is in force",
    answer: rulesAnswer,
  },
  "GET /api/v1/rule-activity": {
    id: "ruleActivity",
    tag: "rules",
    summary: "How often each rule fired, among the incidents that are kept",
    answer: activityAnswer,
  },
  "GET /api/v1/open-alerts": {
    id: "openAlerts",
    tag: "alerts",
    summary: "What the notifier knows of open incidents: who took them on, and what holds them",
    query: openAlertsQuery,
    answer: openAlertsAnswer,
    more: NOTIFIER,
  },
  "GET /api/v1/alerts/{incident}": {
    id: "incident",
    tag: "alerts",
    summary: "The changes of one incident",
    answer: incidentAnswer,
    more: { 404: "No such incident is kept." },
  },
  "GET /api/v1/alerts/{incident}/explanation": {
    id: "explanation",
    tag: "alerts",
    summary: "How an incident came to be, from the log: windows, readings, and the aggregate computed anew",
    answer: explanationAnswer,
    more: {
      404: "No such incident is shown to this token.",
      502: "It could not be explained: the reason is told.",
      503: "No processor answers.",
    },
  },
  "GET /api/v1/alerts/{incident}/deliveries": {
    id: "deliveries",
    tag: "alerts",
    summary: "Who was told of an incident, and what came of it",
    answer: deliveriesAnswer,
    more: { ...NOTIFIER, 404: "No such incident is shown to this token." },
  },
  "POST /api/v1/alerts/{incident}/acknowledge": {
    id: "acknowledge",
    tag: "alerts",
    summary: "Take an incident on: it is not repeated any more",
    body: acknowledgeBody,
    answer: acknowledgementSchema,
    more: { ...NOTIFIER_REFUSES, 404: "No such incident is shown to this token." },
  },
  "GET /api/v1/silences": {
    id: "silences",
    tag: "silences",
    summary: "Silences that last or are to begin",
    answer: silencesAnswer,
    more: NOTIFIER,
  },
  "POST /api/v1/silences": {
    id: "addSilence",
    tag: "silences",
    summary: "Keep the alerts that fit quiet for a while",
    body: silenceBody,
    answer: silenceSchema,
    more: NOTIFIER_REFUSES,
  },
  "DELETE /api/v1/silences/{id}": {
    id: "removeSilence",
    tag: "silences",
    summary: "End a silence",
    query: removeQuery,
    answer: silenceSchema,
    more: NOTIFIER_REFUSES,
  },
  "GET /api/v1/dead-letters": {
    id: "deadLetters",
    tag: "dead letters",
    summary: "What was refused, newest first, without the whole payloads",
    query: lettersQuery,
    answer: lettersAnswer,
  },
  "GET /api/v1/dead-letters/{sequence}": {
    id: "deadLetter",
    tag: "dead letters",
    summary: "One dead letter with its payload",
    answer: letterAnswer,
    more: { 404: "There is no such letter, or it is too old." },
  },
  "POST /api/v1/dead-letters/retry": {
    id: "retryDeadLetters",
    tag: "dead letters",
    summary: "Put letters that were not retried yet through the ingest again, oldest first",
    description:
      "Goes on with `before` and `after` set to an answer's `before` and `next`, until an answer has no `next`.",
    body: retryManyBody,
    answer: reportSchema,
    more: { ...INGEST, 422: "The ingest refuses the order, in its own words." },
  },
  "POST /api/v1/dead-letters/{sequence}/retry": {
    id: "retryDeadLetter",
    tag: "dead letters",
    summary: "Put one letter through the ingest again, as if it had just come",
    description: "Once: who asks again is told what came of it (`already-done`).",
    body: retryBody,
    answer: retryResultSchema,
    more: { ...INGEST, 404: "There is no such letter.", 422: "It is no message of a device, and cannot be retried." },
  },
  "GET /healthz": { id: "healthz", tag: "gateway", summary: "The process lives", answer: healthAnswer, open: true },
  "GET /readyz": {
    id: "readyz",
    tag: "gateway",
    summary: "Whether every part does its work, and what an acknowledgement is worth",
    answer: readinessAnswer,
    open: true,
  },
  "GET /metrics": {
    id: "metrics",
    tag: "gateway",
    summary: "The figures of every part, in Prometheus' text format",
    answer: "text/plain",
  },
};
