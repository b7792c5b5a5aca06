import { z } from "zod";
import { HISTORY_SERIES, HISTORY_STATES, type SeriesQuery, type StatesQuery } from "../../contracts/history.ts";
import { seriesSchema, statesSchema } from "../../contracts/http/data.ts";
import { US_PER_HOUR } from "../../domain/time.ts";
import { askService, STORE, STORE_PROBLEMS } from "./ask-service.ts";
import { operation } from "./operation.ts";
import { instantUs, requireOrder, whole } from "./query.ts";
import { askOneSeries, WHICH, WHICH_DESCRIPTION, WHICH_PROBLEMS, whichSeries } from "./which-series.ts";

/** Down-sampling in the store keeps the peaks of every bucket. */
const DOWN_SAMPLING = "min-max-avg";

const span = { from: instantUs.optional(), to: instantUs.optional() };

export const series = operation({
  method: "GET",
  path: "/api/v1/series",
  id: "series",
  tag: "data",
  summary: "The history of one series, in equal buckets of time",
  description: WHICH_DESCRIPTION,
  scope: { channels: ["readings"] },
  query: z
    .object({
      ...WHICH,
      ...span,
      points: whole({ min: 1, max: 5_000, standard: 500 }).describe("The largest number of buckets."),
    })
    .catchall(z.string()),
  answer: seriesSchema,
  problems: { ...STORE_PROBLEMS, ...WHICH_PROBLEMS },
  example: { query: { device: "cold-1", metric: "temperature" } },
  async handle({ query, grant, log, clock }) {
    const { fromUs, toUs } = spanOf(query, clock.nowUs());
    const which = whichSeries(query, ["from", "to", "points"]);
    const { device, metric } = which;
    const { tags, buckets } = await askOneSeries(which, grant, (tags) => {
      const question: SeriesQuery = { device, metric, ...(tags && { tags }), fromUs, toUs, pointsMax: query.points };
      return askService(log.bus, HISTORY_SERIES, question, STORE);
    });
    return { device, metric, tags, fromUs, toUs, downSampling: DOWN_SAMPLING, ...buckets };
  },
});

export const states = operation({
  method: "GET",
  path: "/api/v1/states",
  id: "states",
  tag: "data",
  summary: "The states of one series over time: runs of readings with equal values",
  description: `For texts and booleans, such as a mode or a door. ${WHICH_DESCRIPTION}`,
  scope: { channels: ["readings"] },
  query: z
    .object({
      ...WHICH,
      ...span,
      limit: whole({ min: 1, max: 10_000, standard: 1_000 }).describe("The most runs: the newest of the span."),
    })
    .catchall(z.string()),
  answer: statesSchema,
  problems: { ...STORE_PROBLEMS, ...WHICH_PROBLEMS },
  example: { query: { device: "valve-1", metric: "mode" } },
  async handle({ query, grant, log, clock }) {
    const { fromUs, toUs } = spanOf(query, clock.nowUs());
    const which = whichSeries(query, ["from", "to", "limit"]);
    const { device, metric } = which;
    const { kind: _, ...answer } = await askOneSeries(which, grant, (tags) => {
      const question: StatesQuery = { device, metric, ...(tags && { tags }), fromUs, toUs, limit: query.limit };
      return askService(log.bus, HISTORY_STATES, question, STORE);
    });
    return { device, metric, fromUs, toUs, ...answer };
  },
});

/** The last hour by default. Throws ApiError. */
function spanOf(
  { from, to }: { readonly from?: number | undefined; readonly to?: number | undefined },
  nowUs: number,
): { readonly fromUs: number; readonly toUs: number } {
  const toUs = to ?? nowUs;
  const fromUs = from ?? toUs - US_PER_HOUR;
  requireOrder(fromUs, toUs);
  return { fromUs, toUs };
}
