import { z } from "zod";
import { type Ambiguous, HISTORY_SERIES, type SeriesQuery } from "../../contracts/history.ts";
import { seriesSchema } from "../../contracts/http/data.ts";
import type { Tags } from "../../domain/reading.ts";
import { US_PER_HOUR } from "../../domain/time.ts";
import { compileFilter, tagOf } from "../common/filter.ts";
import { ApiError } from "./api-error.ts";
import { askService, STORE, STORE_PROBLEMS } from "./ask-service.ts";
import { operation } from "./operation.ts";
import { badRequest, instantUs, requireOrder, whole } from "./query.ts";

/** Down-sampling in the store keeps the peaks of every bucket. */
const DOWN_SAMPLING = "min-max-avg";
const TAG = "tags.";
/** Lists at most this many series in a message. */
const LISTED_MAX = 10;

export const series = operation({
  method: "GET",
  path: "/api/v1/series",
  id: "series",
  tag: "data",
  summary: "The history of one series, in equal buckets of time",
  description:
    "A series is a device, a metric and all its tags. `tags.<name>=<value>` for each tag names it: " +
    "`?device=phone&metric=battery&tags.user=anna`. The tags can be left out when only one series has the device and " +
    "the metric.",
  scope: { channels: ["readings"] },
  query: z
    .object({
      device: z.string().min(1).max(1024),
      metric: z.string().min(1).max(1024),
      tags: z
        .literal("")
        .optional()
        .describe("Empty: the series without tags. For one with tags, give `tags.<name>=<value>` for each of them."),
      from: instantUs.optional(),
      to: instantUs.optional(),
      points: whole({ min: 1, max: 5_000, standard: 500 }).describe("The largest number of buckets."),
    })
    .catchall(z.string()),
  answer: seriesSchema,
  problems: {
    ...STORE_PROBLEMS,
    400: "A parameter is wrong, or several series have this device and metric: the answer lists them.",
    404: "The token does not show this series.",
  },
  example: { query: { device: "cold-1", metric: "temperature" } },
  async handle({ query, grant, log, clock }) {
    const { device, metric, points } = query;
    const toUs = query.to ?? clock.nowUs();
    const fromUs = query.from ?? toUs - US_PER_HOUR;
    requireOrder(fromUs, toUs);
    const sites = compileFilter({}, grant.sites);
    const isShown = (tags: Tags) => sites.permits((name) => (name === "site" ? tagOf(tags, name) : ""));
    const ask = async (tags: Tags | undefined) => {
      if (tags !== undefined && !isShown(tags)) throw notShown(device, metric);
      const question: SeriesQuery = { device, metric, ...(tags && { tags }), fromUs, toUs, pointsMax: points };
      return await askService(log.bus, HISTORY_SERIES, question, STORE);
    };
    let answer = await ask(tagsOf(query));
    if (answer.kind === "ambiguous") {
      const { complete } = answer;
      const candidates = answer.candidates.filter(isShown);
      const [only] = candidates;
      if (!complete || candidates.length > 1) throw several(query, { candidates, complete });
      if (only === undefined) throw notShown(device, metric);
      answer = await ask(only);
    }
    if (answer.kind === "ambiguous" || !isShown(answer.tags)) throw notShown(device, metric);
    return { device, metric, tags: answer.tags, fromUs, toUs, downSampling: DOWN_SAMPLING, ...answer.buckets };
  },
});

/** Undefined when the parameters name no tags. Throws ApiError. */
function tagsOf({ tags, ...query }: Readonly<Record<string, unknown>>): Tags | undefined {
  const others = Object.entries(query).filter(([name]) => !KNOWN.has(name));
  const unknown = others.find(([name]) => !name.startsWith(TAG));
  if (unknown !== undefined) {
    const [name] = unknown;
    throw badRequest([{ parameter: name, detail: `is unknown; a tag is written ${TAG}${name}` }]);
  }
  if (others.length > 0 && tags !== undefined) {
    throw badRequest([{ parameter: "tags", detail: "says that the series has no tags, but others are given" }]);
  }
  if (others.length === 0 && tags === undefined) return undefined;
  return Object.fromEntries(others.map(([name, value]) => [name.slice(TAG.length), String(value)]));
}

const KNOWN = new Set(["device", "metric", "from", "to", "points"]);

function several(
  { device, metric }: { readonly device: string; readonly metric: string },
  { candidates, complete }: Pick<Ambiguous, "candidates" | "complete">,
): ApiError {
  const listed = candidates.slice(0, LISTED_MAX).map(parametersOf);
  const rest = complete && candidates.length <= LISTED_MAX ? [] : [`${TAG}<name>=<value> for each tag of another one`];
  return badRequest([
    {
      parameter: "tags",
      detail:
        `several series have device ${JSON.stringify(device)} and metric ${JSON.stringify(metric)}; ` +
        `add the tags of one of them: ${[...listed, ...rest].join(", or ")}`,
    },
  ]);
}

function parametersOf(tags: Tags): string {
  const parameters = new URLSearchParams(
    Object.entries(tags).map(([name, value]): [string, string] => [`${TAG}${name}`, value]),
  );
  return parameters.size === 0 ? "tags=" : parameters.toString();
}

function notShown(device: string, metric: string): ApiError {
  const names = `device ${JSON.stringify(device)} and metric ${JSON.stringify(metric)}`;
  const message = `no series with ${names} among those that the token shows`;
  return new ApiError({ status: 404, code: "unknown-series", message });
}
