import { z } from "zod";
import type { AlertChange } from "../../domain/alert.ts";
import { US_PER_HOUR, US_PER_MS } from "../../domain/time.ts";
import { type AlertsQuery, HISTORY_ALERTS, HISTORY_SERIES, type SeriesQuery } from "../../platform/history.ts";
import { type Bus, NoAnswerError } from "../../platform/log/port.ts";
import { compileFilter } from "../filter.ts";
import { alertChangeSchema } from "../items.ts";
import { alertMatches } from "../views/alerts-view.ts";
import type { Views } from "../views/views.ts";

const HISTORY_TIMEOUT_MS = 8_000;

/** Said to the client with its status; not a failure of the server. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string;

  constructor(options: { readonly status: number; readonly code: string; readonly message: string; cause?: unknown }) {
    super(options.message, { cause: options.cause });
    this.status = options.status;
    this.code = options.code;
  }
}

interface ApiDeps {
  readonly views: Views;
  readonly bus: Bus;
  readonly nowUs: () => number;
}

/** Answers with the JSON text, or throws ApiError. */
export type ApiRoute = (query: URLSearchParams, deps: ApiDeps) => Promise<string>;

export const API_ROUTES: ReadonlyMap<string, ApiRoute> = new Map<string, ApiRoute>([
  ["/api/v1/series", series],
  ["/api/v1/alerts", alerts],
  ["/api/v1/devices", devices],
  ["/api/v1/rules", rules],
]);

/** ISO 8601, or a number of milliseconds or microseconds since 1970: which of them, its size tells. */
const instantUs = z.string().transform((text, context) => {
  const figure = Number(text);
  const us = /^\d{9,16}$/.test(text) ? Math.round(figure >= 1e14 ? figure : figure * US_PER_MS) : isoUs(text);
  if (us !== undefined) return us;
  context.addIssue({ code: "custom", message: "is no ISO 8601 time and no milliseconds since 1970" });
  return z.NEVER;
});

function isoUs(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d/.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms * US_PER_MS;
}

const whole = (bounds: { min: number; max: number; standard: number }) =>
  z.coerce.number().int().min(bounds.min).max(bounds.max).default(bounds.standard);

const seriesQuery = z.strictObject({
  device: z.string().min(1).max(1024),
  metric: z.string().min(1).max(1024),
  from: instantUs.optional(),
  to: instantUs.optional(),
  points: whole({ min: 1, max: 5_000, standard: 500 }),
});

async function series(query: URLSearchParams, { bus, nowUs }: ApiDeps): Promise<string> {
  const { device, metric, points, ...range } = parseQuery(seriesQuery, query, "reject");
  const toUs = range.to ?? nowUs();
  const fromUs = range.from ?? toUs - US_PER_HOUR;
  requireOrder(fromUs, toUs);
  const question: SeriesQuery = { device, metric, fromUs, toUs, pointsMax: points };
  const answer = await ask(bus, HISTORY_SERIES, question);
  return JSON.stringify({ device, metric, fromUs, toUs, ...Object(answer) });
}

const alertsQuery = z.object({
  state: z.enum(["open", "pending", "firing", "resolved", "inactive", "all"]).optional(),
  from: instantUs.optional(),
  to: instantUs.optional(),
  limit: whole({ min: 1, max: 10_000, standard: 1_000 }),
});
const ALERTS_RANGE_US = 24 * US_PER_HOUR;

/**
 * `state=open|pending|firing`: how things are, from memory. `state=all|resolved|inactive`: alert changes of a span of
 * time, from the store. Without `state`, the first when no other parameter is given, else the second.
 * Further parameters are a filter: `rule`, `severity`, labels.
 */
async function alerts(query: URLSearchParams, { views, bus, nowUs }: ApiDeps): Promise<string> {
  const { from, to, limit, ...asked } = parseQuery(alertsQuery, query, "pass");
  const filter = compileFilter(restOf(query, ["state", "from", "to", "limit"]));
  const past = from !== undefined || to !== undefined || query.has("limit");
  const state = asked.state ?? (past ? "all" : "open");
  if (state === "open" || state === "pending" || state === "firing") {
    const open = views.alerts.open().filter((change) => state === "open" || change.state === state);
    return JSON.stringify({ alerts: open.filter((change) => alertMatches(filter, change)).slice(0, limit) });
  }
  // Half-open: what was just now is in the past, too.
  const toUs = to ?? nowUs() + US_PER_MS;
  const fromUs = from ?? toUs - ALERTS_RANGE_US;
  requireOrder(fromUs, toUs);
  const question: AlertsQuery = { fromUs, toUs, limit };
  const parsed = z.array(alertChangeSchema).safeParse(await ask(bus, HISTORY_ALERTS, question));
  if (!parsed.success) {
    throw new ApiError({ status: 502, code: "bad-answer", message: "the store answered with something else" });
  }
  const wanted = (change: AlertChange) => (state === "all" || change.state === state) && alertMatches(filter, change);
  return JSON.stringify({ alerts: parsed.data.filter(wanted) });
}

const devicesQuery = z.object({
  after: z.string().max(1024).optional(),
  limit: whole({ min: 1, max: 10_000, standard: 1_000 }),
});

/** By name, from the one behind `after` on. Further parameters are a filter: `device`, `metric`, tags. */
async function devices(query: URLSearchParams, { views }: ApiDeps): Promise<string> {
  const { after, limit } = parseQuery(devicesQuery, query, "pass");
  const filter = compileFilter(restOf(query, ["after", "limit"]));
  const { texts, total } = views.devices.list({ matches: views.devices.matcher(filter), after: after ?? "", limit });
  return `{"total":${total},"devices":[${texts.join(",")}]}`;
}

async function rules(query: URLSearchParams, { views }: ApiDeps): Promise<string> {
  parseQuery(z.strictObject({}), query, "reject");
  const { ruleSet } = views.readings;
  if (ruleSet === undefined) return JSON.stringify({ version: null, sequence: null, rules: [] });
  const { version, sequence } = ruleSet;
  return JSON.stringify({ version, sequence, rules: JSON.parse(ruleSet.rulesJson) });
}

async function ask(bus: Bus, subject: string, question: unknown): Promise<unknown> {
  try {
    return await bus.request(subject, question, { timeoutMs: HISTORY_TIMEOUT_MS });
  } catch (cause) {
    if (cause instanceof NoAnswerError) {
      const message = "the store does not answer; is the storage service running?";
      throw new ApiError({ status: 503, code: "history-unavailable", message, cause });
    }
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ApiError({ status: 502, code: "history-failed", message, cause });
  }
}

function requireOrder(fromUs: number, toUs: number): void {
  if (fromUs < toUs) return;
  throw new ApiError({ status: 400, code: "bad-request", message: "from: must be before to" });
}

/** `more` says what becomes of parameters that the schema does not know. */
function parseQuery<S extends z.ZodType>(schema: S, query: URLSearchParams, more: "reject" | "pass"): z.output<S> {
  const repeated = [...query.keys()].find((name) => query.getAll(name).length > 1);
  const parsed = schema.safeParse(Object.fromEntries(query));
  if (parsed.success && (repeated === undefined || more === "pass")) return parsed.data;
  const message = parsed.success
    ? `${repeated}: is given more than once`
    : parsed.error.issues.map(({ path, message }) => `${path.join(".") || "query"}: ${message}`).join("; ");
  throw new ApiError({ status: 400, code: "bad-request", message });
}

const FILTER_PARTS_MAX = 16;

function restOf(query: URLSearchParams, known: readonly string[]): Record<string, string> {
  const rest = [...query].filter(([name]) => !known.includes(name));
  if (rest.length <= FILTER_PARTS_MAX) return Object.fromEntries(rest);
  throw new ApiError({ status: 400, code: "bad-request", message: `at most ${FILTER_PARTS_MAX} filters` });
}
