import { z } from "zod";
import { silencesAnswer } from "../../contracts/http/alerts.ts";
import {
  type NewSilence,
  SILENCES_ADD,
  SILENCES_LIST,
  SILENCES_REMOVE,
  type SilenceRemoval,
  type SilencesQuery,
  silenceSchema,
} from "../../contracts/notifications.ts";
import { askService, NOTIFIER, NOTIFIER_ORDER, NOTIFIER_ORDER_PROBLEMS, NOTIFIER_PROBLEMS } from "./ask-service.ts";
import { orderedBy, requireAuthor } from "./author.ts";
import { operation } from "./operation.ts";
import { badCursor } from "./past-alerts.ts";
import { whole } from "./query.ts";

const text = z.string().min(1).max(512);

export const silences = operation({
  method: "GET",
  path: "/api/v1/silences",
  id: "silences",
  tag: "silences",
  summary: "Silences that are active or will begin",
  scope: { channels: ["alerts"], allSitesOnly: true },
  query: z.strictObject({
    limit: whole({ min: 1, max: 10_000, standard: 1_000 }),
    after: z.string().max(1_024).optional().describe("An earlier page's `next`."),
  }),
  answer: silencesAnswer,
  problems: NOTIFIER_PROBLEMS,
  example: { query: { limit: "10" } },
  async handle({ query, log }) {
    const { limit } = query;
    const after = query.after === undefined ? undefined : cursorOf(query.after);
    // One more than a page shows whether there is another page.
    const question: SilencesQuery = { limit: limit + 1, ...(after && { after }) };
    const found = await askService(log.bus, SILENCES_LIST, question, NOTIFIER);
    const page = found.slice(0, limit);
    const last = found.length > limit ? page.at(-1) : undefined;
    return { silences: page, ...(last && { next: `${last.fromUs}.${last.id}` }) };
  },
});

function cursorOf(after: string): NonNullable<SilencesQuery["after"]> {
  const [, fromUs, id] = /^(-?\d{1,16})\.(.+)$/s.exec(after) ?? [];
  if (id === undefined) throw badCursor();
  return { fromUs: Number(fromUs), id };
}

export const addSilence = operation({
  method: "POST",
  path: "/api/v1/silences",
  id: "addSilence",
  tag: "silences",
  summary: "Silence the matching alerts until a time",
  scope: { channels: ["alerts"] },
  body: z.strictObject({
    matchers: z
      .record(text, z.union([text, z.array(text).min(1).max(64)]))
      .describe(
        "What an alert must match, by label or by `rule`, `severity` or `incident`: a value, a glob, or a list of these.",
      ),
    fromUs: z.int().optional().describe("Now by default."),
    untilUs: z.int(),
    by: orderedBy,
    why: z.string().max(2_000),
  }),
  answer: silenceSchema,
  problems: NOTIFIER_ORDER_PROBLEMS,
  example: {
    body: { matchers: { rule: "cold-*" }, untilUs: 1763773200000000, by: "ann", why: "defrosting" },
  },
  async handle({ body, grant, log }) {
    const { by, fromUs, ...order } = body;
    const question: NewSilence = {
      ...order,
      by: requireAuthor(by, grant),
      ...(fromUs === undefined ? {} : { fromUs }),
    };
    return await askService(log.bus, SILENCES_ADD, question, NOTIFIER_ORDER);
  },
});

export const removeSilence = operation({
  method: "DELETE",
  path: "/api/v1/silences/{id}",
  id: "removeSilence",
  tag: "silences",
  summary: "End a silence",
  scope: { channels: ["alerts"] },
  params: z.object({ id: z.string().describe("A silence's id.") }),
  query: z.strictObject({ by: orderedBy }),
  answer: silenceSchema,
  problems: NOTIFIER_ORDER_PROBLEMS,
  example: { params: { id: "s-1" }, query: { by: "ann" } },
  async handle({ params, query, grant, log }) {
    const question: SilenceRemoval = { id: params.id, by: requireAuthor(query.by, grant) };
    return await askService(log.bus, SILENCES_REMOVE, question, NOTIFIER_ORDER);
  },
});
