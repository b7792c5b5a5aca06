import { z } from "zod";
import {
  ALERTS_ACKNOWLEDGE,
  type NewAcknowledgement,
  type NewSilence,
  SILENCES_ADD,
  SILENCES_LIST,
  SILENCES_REMOVE,
  type SilenceRemoval,
} from "../../contracts/notifications.ts";
import type { Grant } from "../common/access.ts";
import type { ApiDeps } from "./api.ts";
import { askService } from "./ask.ts";
import { NOTIFIER, requireShown } from "./incidents.ts";
import { badRequest, parseBody, parseQuery } from "./query.ts";

/** The notifier says in its own words what is wrong with an order. */
const ORDER = { ...NOTIFIER, refusedStatus: 422 };

const who = z
  .string()
  .trim()
  .min(1)
  .max(150)
  .optional()
  .describe("Who gives the order: needed where no token says it; a token's name stands beside it.");

export const acknowledgeBody = z.strictObject({ by: who, note: z.string().max(2_000).optional() });

/** Takes an incident on: it is not repeated any more. Answered with the acknowledgement. */
export async function acknowledge(query: URLSearchParams, deps: ApiDeps): Promise<string> {
  parseQuery(z.strictObject({}), query, "reject");
  const { by, note } = parseBody(acknowledgeBody, deps.body ?? {});
  const question: NewAcknowledgement = {
    incident: requireShown(deps),
    by: author(by, deps.grant),
    ...(note === undefined ? {} : { note }),
  };
  return JSON.stringify(await askService(deps.bus, ALERTS_ACKNOWLEDGE, question, ORDER));
}

/** Silences that hold now or will. */
export async function listSilences(query: URLSearchParams, { bus }: ApiDeps): Promise<string> {
  parseQuery(z.strictObject({}), query, "reject");
  return JSON.stringify({ silences: await askService(bus, SILENCES_LIST, {}, NOTIFIER) });
}

const text = z.string().min(1).max(512);
export const silenceBody = z.strictObject({
  matchers: z
    .record(text, z.union([text, z.array(text).min(1).max(64)]))
    .describe(
      "What an alert must have, by label, or `rule`, `severity`, `incident`: a value, a glob, or a list of these.",
    ),
  fromUs: z.int().optional().describe("Now, when left out."),
  untilUs: z.int(),
  by: who,
  why: z.string().max(2_000),
});

/** Keeps the alerts that fit quiet for a while. Answered with the silence. */
export async function addSilence(query: URLSearchParams, { bus, body, grant }: ApiDeps): Promise<string> {
  parseQuery(z.strictObject({}), query, "reject");
  const { by, fromUs, ...order } = parseBody(silenceBody, body);
  const question: NewSilence = { ...order, by: author(by, grant), ...(fromUs === undefined ? {} : { fromUs }) };
  return JSON.stringify(await askService(bus, SILENCES_ADD, question, ORDER));
}

export const removeQuery = z.strictObject({ by: who });

/** Ends a silence. `by` says who, where no token does. */
export async function removeSilence(query: URLSearchParams, { bus, params, grant }: ApiDeps): Promise<string> {
  const { by } = parseQuery(removeQuery, query, "reject");
  const question: SilenceRemoval = { id: params.id ?? "", by: author(by, grant) };
  return JSON.stringify(await askService(bus, SILENCES_REMOVE, question, ORDER));
}

/** A name that was typed in proves nothing, so the token's name stands beside it. Throws ApiError. */
function author(by: string | undefined, grant: Grant): string {
  if (grant.name !== "") return by === undefined ? grant.name : `${by} (${grant.name})`;
  if (by !== undefined) return by;
  throw badRequest([{ parameter: "by", detail: "is missing: say who gives the order" }]);
}
