import { z } from "zod";
import { HISTORY_SERIES, type SeriesQuery } from "../../contracts/history.ts";
import { seriesSchema } from "../../contracts/http/data.ts";
import { US_PER_HOUR } from "../../domain/time.ts";
import { compileFilter } from "../common/filter.ts";
import { ApiError } from "./api-error.ts";
import { askService, STORE, STORE_PROBLEMS } from "./ask-service.ts";
import { operation } from "./operation.ts";
import { instantUs, requireOrder, whole } from "./query.ts";

/** Down-sampling in the store keeps the peaks of every bucket. */
const DOWN_SAMPLING = "min-max-avg";

export const series = operation({
  method: "GET",
  path: "/api/v1/series",
  id: "series",
  tag: "data",
  summary: "The history of one sensor, in equal buckets of time",
  scope: { channels: ["readings"] },
  query: z.strictObject({
    device: z.string().min(1).max(1024),
    metric: z.string().min(1).max(1024),
    from: instantUs.optional(),
    to: instantUs.optional(),
    points: whole({ min: 1, max: 5_000, standard: 500 }).describe("The largest number of buckets."),
  }),
  answer: seriesSchema,
  problems: { ...STORE_PROBLEMS, 404: "The token does not show this device." },
  example: { query: { device: "cold-1", metric: "temperature" } },
  async handle({ query, grant, views, log, clock }) {
    const { device, metric, points } = query;
    const toUs = query.to ?? clock.nowUs();
    const fromUs = query.from ?? toUs - US_PER_HOUR;
    requireOrder(fromUs, toUs);
    if (grant.sites !== undefined && !views.devices.permits(device, compileFilter({}, grant.sites))) {
      const message = `no device ${JSON.stringify(device)} among those that the token shows`;
      throw new ApiError({ status: 404, code: "unknown-device", message });
    }
    const question: SeriesQuery = { device, metric, fromUs, toUs, pointsMax: points };
    const answer = await askService(log.bus, HISTORY_SERIES, question, STORE);
    return { device, metric, fromUs, toUs, downSampling: DOWN_SAMPLING, ...answer };
  },
});
