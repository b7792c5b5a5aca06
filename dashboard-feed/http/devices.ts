import { z } from "zod";
import { devicesAnswer } from "../../contracts/http/data.ts";
import { operation, Reply } from "./operation.ts";
import { whole } from "./query.ts";

export const devices = operation({
  method: "GET",
  path: "/api/v1/devices",
  id: "devices",
  tag: "data",
  summary: "Devices with their newest values and their counts, by name",
  scope: { channels: ["devices"] },
  query: z.object({
    after: z.string().max(1024).optional().describe("An earlier page's `next`: devices after this name."),
    limit: whole({ min: 1, max: 10_000, standard: 1_000 }),
  }),
  filter: "`device`, `metric` and tags",
  answer: devicesAnswer,
  example: { query: { limit: "1", device: "*" } },
  async handle({ query, filter, views }) {
    const matches = views.devices.matcher(filter);
    const { texts, total, next } = views.devices.list({ matches, after: query.after ?? "", limit: query.limit });
    const more = next === undefined ? "" : `,"next":${JSON.stringify(next)}`;
    // The view stores its items as JSON texts.
    return new Reply(`{"total":${total},"devices":[${texts.join(",")}]${more}}`);
  },
});
