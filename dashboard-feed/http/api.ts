import { z } from "zod";
import type { Channel } from "../../contracts/feed/protocol.ts";
import { type AlertsQuery, HISTORY_ALERTS, HISTORY_SERIES, type SeriesQuery } from "../../contracts/history.ts";
import { globMatches } from "../../domain/glob.ts";
import { US_PER_HOUR, US_PER_MS } from "../../domain/time.ts";
import type { Bus, Log } from "../../platform/log/port.ts";
import type { Grant } from "../common/access.ts";
import { compileFilter } from "../common/filter.ts";
import { alertMatches } from "../views/alerts-view.ts";
import type { Views } from "../views/views.ts";
import { ApiError } from "./api-error.ts";
import { askService } from "./ask.ts";
import { type PageEnd, pageOfPast } from "./past-alerts.ts";
import { badRequest, filterOf, instantUs, parseQuery, requireOrder, whole } from "./query.ts";

const STORE = { who: "the store", service: "storage", code: "history", timeoutMs: 8_000 };
const ALERTS_RANGE_US = 24 * US_PER_HOUR;
/** How the store makes buckets of readings: nothing that stands out of a bucket is lost. */
const DOWN_SAMPLING = "min-max-avg";

export interface ApiDeps {
  readonly grant: Grant;
  readonly views: Views;
  readonly bus: Bus;
  readonly log: Log;
  readonly nowUs: () => number;
  /** What stands in the path for its `{names}`. */
  readonly params: Readonly<Record<string, string>>;
  /** Of a POST: the JSON value. */
  readonly body: unknown;
}

export interface ApiRoute {
  /** One of these must be allowed. */
  readonly channels: readonly Channel[];
  /** Tells of all sites: not for tokens that show some. */
  readonly unrestricted?: true;
  /** The JSON text, or throws ApiError. */
  readonly answer: (query: URLSearchParams, deps: ApiDeps) => Promise<string>;
}

export const API_ROUTES: ReadonlyMap<string, ApiRoute> = new Map<string, ApiRoute>([
  ["/api/v1/series", { channels: ["readings"], answer: series }],
  ["/api/v1/alerts", { channels: ["alerts"], answer: alerts }],
  ["/api/v1/devices", { channels: ["devices"], answer: devices }],
  ["/api/v1/rules", { channels: ["alerts", "windows"], answer: rules }],
]);

export const seriesQuery = z.strictObject({
  device: z.string().min(1).max(1024),
  metric: z.string().min(1).max(1024),
  from: instantUs.optional(),
  to: instantUs.optional(),
  points: whole({ min: 1, max: 5_000, standard: 500 }).describe("Buckets, at most."),
});

/** The past of one sensor in `points` buckets of equal width: smallest, greatest, mean and number of each. */
async function series(query: URLSearchParams, { grant, views, bus, nowUs }: ApiDeps): Promise<string> {
  const { device, metric, points, ...range } = parseQuery(seriesQuery, query, "reject");
  const toUs = range.to ?? nowUs();
  const fromUs = range.from ?? toUs - US_PER_HOUR;
  requireOrder(fromUs, toUs);
  if (grant.sites !== undefined && !views.devices.permits(device, compileFilter({}, grant.sites))) {
    const message = `no device ${JSON.stringify(device)} among those that the token shows`;
    throw new ApiError({ status: 404, code: "unknown-device", message });
  }
  const question: SeriesQuery = { device, metric, fromUs, toUs, pointsMax: points };
  const answer = await askService(bus, HISTORY_SERIES, question, STORE);
  return JSON.stringify({ device, metric, fromUs, toUs, downSampling: DOWN_SAMPLING, ...answer });
}

export const alertsQuery = z.object({
  state: z.enum(["open", "pending", "firing", "resolved", "inactive", "ended", "all"]).optional(),
  from: instantUs.optional(),
  to: instantUs.optional(),
  after: z.string().max(4_096).optional().describe("An earlier page's `next`."),
  limit: whole({ min: 1, max: 10_000, standard: 1_000 }),
});
const ALERTS_PARAMETERS = Object.keys(alertsQuery.shape);

/**
 * `state=open|pending|firing`: the incidents that go on, by their newest change, from memory. `state=ended` (or
 * `resolved`, `inactive`): those that are over, by their last change, and `state=all` all changes of a span of time, from
 * the store. Without `state`, the first when no other parameter is given, else all changes. Newest first; `next`, if
 * there is more, is the next page's `after`. Further parameters are a filter: `rule`, `severity`, labels.
 */
async function alerts(query: URLSearchParams, deps: ApiDeps): Promise<string> {
  const { from, to, limit, after, ...asked } = parseQuery(alertsQuery, query, "pass");
  const filter = compileFilter(filterOf(query, ALERTS_PARAMETERS), deps.grant.sites);
  const past = from !== undefined || to !== undefined || query.has("limit") || after?.startsWith("past.");
  const state = asked.state ?? (past ? "all" : "open");
  if (state === "open" || state === "pending" || state === "firing") {
    const before = after === undefined ? Number.POSITIVE_INFINITY : openCursor(after);
    const open = deps.views.alerts
      .open()
      .filter(({ change, position }) => position < before && (state === "open" || change.state === state))
      .filter(({ change }) => alertMatches(filter, change));
    const page = open.slice(0, limit);
    const next = open.length > limit ? { next: `open.${page.at(-1)?.position}` } : {};
    return JSON.stringify({ alerts: page.map(({ change }) => change), ...next });
  }
  // Half-open: what was just now is in the past, too.
  const toUs = to ?? deps.nowUs() + US_PER_MS;
  const fromUs = from ?? toUs - ALERTS_RANGE_US;
  requireOrder(fromUs, toUs);
  const states = state === "ended" ? ["resolved", "inactive"] : [state];
  const { alerts, end } = await pageOfPast(
    (question: AlertsQuery) => askService(deps.bus, HISTORY_ALERTS, question, STORE),
    {
      fromUs,
      toUs,
      limit,
      after: after === undefined ? undefined : pastCursor(after),
      wanted: (change) => (state === "all" || states.includes(change.state)) && alertMatches(filter, change),
    },
  );
  const next = end === undefined ? {} : { next: `past.${Buffer.from(JSON.stringify(end)).toString("base64url")}` };
  return JSON.stringify({ alerts, ...next });
}

function openCursor(after: string): number {
  const position = /^open\.(\d{1,16})$/.exec(after)?.[1];
  if (position === undefined) throw badCursor();
  return Number(position);
}

const pageEndSchema = z.strictObject({ atUs: z.number(), id: z.string() });

function pastCursor(after: string): PageEnd {
  try {
    const text = /^past\.([\w-]+)$/.exec(after)?.[1] ?? "";
    return pageEndSchema.parse(JSON.parse(Buffer.from(text, "base64url").toString("utf8")));
  } catch {
    throw badCursor();
  }
}

function badCursor(): ApiError {
  return badRequest([{ parameter: "after", detail: "is not the `next` of a page with the same parameters" }]);
}

export const devicesQuery = z.object({
  after: z.string().max(1024).optional().describe("An earlier page's `next`: devices behind this name."),
  limit: whole({ min: 1, max: 10_000, standard: 1_000 }),
});

/** By name, from the one behind `after` on. Further parameters are a filter: `device`, `metric`, tags. */
async function devices(query: URLSearchParams, { grant, views }: ApiDeps): Promise<string> {
  const { after, limit } = parseQuery(devicesQuery, query, "pass");
  const filter = compileFilter(filterOf(query, ["after", "limit"]), grant.sites);
  const matches = views.devices.matcher(filter);
  const { texts, total, next } = views.devices.list({ matches, after: after ?? "", limit });
  const more = next === undefined ? "" : `,"next":${JSON.stringify(next)}`;
  return `{"total":${total},"devices":[${texts.join(",")}]${more}}`;
}

const whereSite = z.object({ where: z.object({ site: z.union([z.string(), z.array(z.string())]) }) });

async function rules(query: URLSearchParams, { grant, views }: ApiDeps): Promise<string> {
  parseQuery(z.strictObject({}), query, "reject");
  const { ruleSet } = views.readings;
  if (ruleSet === undefined) return JSON.stringify({ version: null, sequence: null, rules: [] });
  const { version, sequence } = ruleSet;
  const all = z.array(z.unknown()).parse(JSON.parse(ruleSet.rulesJson));
  return JSON.stringify({ version, sequence, rules: all.filter((rule) => concerns(rule, grant.sites)) });
}

/** Whether a rule may look at one of these sites: not when it names others only. */
function concerns(rule: unknown, sites: readonly string[] | undefined): boolean {
  const about = whereSite.safeParse(rule);
  if (sites === undefined || !about.success) return true;
  return [about.data.where.site]
    .flat()
    .some((named) => /[*?[{!]/.test(named) || sites.some((pattern) => globMatches(pattern, named)));
}
