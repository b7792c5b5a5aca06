import { z } from "zod";
import type { Ambiguous } from "../../contracts/history.ts";
import type { Tags } from "../../domain/reading.ts";
import type { Grant } from "../common/access.ts";
import { compileFilter, tagOf } from "../common/filter.ts";
import { ApiError } from "./api-error.ts";
import { badRequest } from "./query.ts";

const TAG = "tags.";
/** Lists at most this many series in a message. */
const LISTED_MAX = 10;
const name = z.string().min(1).max(1024);

/** The parameters that name a series. Use them with `.catchall(z.string())`: each tag is a parameter of its own. */
export const WHICH = {
  device: name,
  metric: name,
  tags: z
    .literal("")
    .optional()
    .describe("Empty: the series without tags. For one with tags, give `tags.<name>=<value>` for each of them."),
};

export const WHICH_DESCRIPTION =
  "A series is a device, a metric and all its tags. `tags.<name>=<value>` for each tag names it: " +
  "`?device=phone&metric=battery&tags.user=anna`. The tags can be left out when only one series has the device and " +
  "the metric.";

export const WHICH_PROBLEMS = {
  400: "A parameter is wrong, or several series have this device and metric: the answer lists them.",
  404: "The token does not show this series.",
};

interface Which {
  readonly device: string;
  readonly metric: string;
  readonly tags: Tags | undefined;
}

/** Reads the parameters; `known` are those beside `WHICH`. Throws ApiError. */
export function whichSeries(
  { device, metric, tags, ...query }: Readonly<Record<string, unknown>> & Pick<Which, "device" | "metric">,
  known: readonly string[],
): Which {
  const others = Object.entries(query).filter(([parameter]) => !known.includes(parameter));
  const unknown = others.find(([parameter]) => !parameter.startsWith(TAG));
  if (unknown !== undefined) {
    const [parameter] = unknown;
    throw badRequest([{ parameter, detail: `is unknown; a tag is written ${TAG}${parameter}` }]);
  }
  if (others.length > 0 && tags !== undefined) {
    throw badRequest([{ parameter: "tags", detail: "says that the series has no tags, but some are given" }]);
  }
  if (others.length === 0 && tags === undefined) return { device, metric, tags: undefined };
  return {
    device,
    metric,
    tags: Object.fromEntries(others.map(([key, value]) => [key.slice(TAG.length), `${value}`])),
  };
}

/**
 * Asks the store about one series, among those that the token shows. `ask` gets its tags; undefined when the request
 * leaves them out. Throws ApiError when the request does not name a single series.
 */
export async function askOneSeries<Found extends { readonly kind: "found"; readonly tags: Tags }>(
  which: Which,
  grant: Grant,
  ask: (tags: Tags | undefined) => Promise<Found | Ambiguous>,
): Promise<Found> {
  const sites = compileFilter({}, grant.sites);
  const isShown = (tags: Tags) => sites.permits((label) => (label === "site" ? tagOf(tags, label) : ""));
  if (which.tags !== undefined && !isShown(which.tags)) throw notShown(which);
  let answer = await ask(which.tags);
  if (answer.kind === "ambiguous") {
    const { complete } = answer;
    const candidates = answer.candidates.filter(isShown);
    const [only] = candidates;
    if (!complete || candidates.length > 1) throw several(which, { candidates, complete });
    if (only === undefined) throw notShown(which);
    answer = await ask(only);
  }
  if (answer.kind === "ambiguous" || !isShown(answer.tags)) throw notShown(which);
  return answer;
}

function several(which: Which, { candidates, complete }: Pick<Ambiguous, "candidates" | "complete">): ApiError {
  const listed = candidates.slice(0, LISTED_MAX).map(parametersOf);
  const rest = complete && candidates.length <= LISTED_MAX ? [] : [`${TAG}<name>=<value> for each tag of another one`];
  const ways = [...listed, ...rest].join(", or ");
  const detail = `several series have ${namesOf(which)}; add the tags of one of them: ${ways}`;
  return badRequest([{ parameter: "tags", detail }]);
}

function parametersOf(tags: Tags): string {
  const parameters = Object.entries(tags).map(([key, value]): [string, string] => [`${TAG}${key}`, value]);
  return parameters.length === 0 ? "tags=" : new URLSearchParams(parameters).toString();
}

function notShown(which: Which): ApiError {
  const message = `no series with ${namesOf(which)} among those that the token shows`;
  return new ApiError({ status: 404, code: "unknown-series", message });
}

function namesOf({ device, metric }: Which): string {
  return `device ${JSON.stringify(device)} and metric ${JSON.stringify(metric)}`;
}
