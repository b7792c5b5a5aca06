import { z } from "zod";
import { alertsAnswer } from "../../contracts/http/alerts.ts";
import { alertMatches } from "../views/alerts-view.ts";
import { STORE_PROBLEMS } from "./ask-service.ts";
import { type Call, operation } from "./operation.ts";
import { cursorText, positionCursor, storedPage } from "./past-alerts.ts";
import { instantUs, whole } from "./query.ts";

const alertsQuery = z.object({
  state: z.enum(["open", "pending", "firing", "resolved", "inactive", "ended", "all"]).optional(),
  from: instantUs.optional(),
  to: instantUs.optional(),
  after: z.string().max(4_096).optional().describe("An earlier page's `next`."),
  limit: whole({ min: 1, max: 10_000, standard: 1_000 }),
});
type Query = z.output<typeof alertsQuery>;
type State = NonNullable<Query["state"]>;

export const alerts = operation({
  method: "GET",
  path: "/api/v1/alerts",
  id: "alerts",
  tag: "alerts",
  summary: "Alert changes, newest first",
  description:
    "`state=open`, `pending` or `firing`: the incidents that are open now, by their newest change. `ended`, `resolved` or " +
    "`inactive`: those that ended, by their last change. `all`: every change in a span of time (a day by default). Without " +
    "any parameters: `open`.",
  scope: { channels: ["alerts"] },
  query: alertsQuery,
  filter: "`rule`, `severity` and labels",
  answer: alertsAnswer,
  problems: STORE_PROBLEMS,
  example: { query: { state: "all", limit: "1", rule: "cold-*", site: "n*" } },
  async handle(call) {
    const { state = defaultState(call) } = call.query;
    return state === "open" || state === "pending" || state === "firing"
      ? openAlerts(call, state)
      : await pastAlerts(call, state);
  },
});

/** A request that asks for a span of time, or for a page of one, means the past. */
function defaultState({ query, given }: Call<unknown, Query>): State {
  const isPast = ["from", "to", "limit"].some((name) => given.has(name)) || query.after?.startsWith("past.");
  return isPast ? "all" : "open";
}

/** From memory. */
function openAlerts({ query, filter, views }: Call<unknown, Query>, state: State) {
  const { after, limit } = query;
  const before = after === undefined ? Number.POSITIVE_INFINITY : positionCursor("open", after);
  const open = views.alerts.open().filter(({ position, change }) => {
    return position < before && (state === "open" || change.state === state) && alertMatches(filter, change);
  });
  const page = open.slice(0, limit);
  const next = open.length > limit ? { next: `open.${page.at(-1)?.position}` } : {};
  return { alerts: page.map(({ change }) => change), ...next };
}

/** From the store. */
async function pastAlerts(call: Call<unknown, Query>, state: State) {
  const states: readonly string[] = state === "ended" ? ["resolved", "inactive"] : [state];
  const { alerts, end } = await storedPage(call, (change) => {
    return (state === "all" || states.includes(change.state)) && alertMatches(call.filter, change);
  });
  return { alerts, ...(end && { next: cursorText(end) }) };
}
