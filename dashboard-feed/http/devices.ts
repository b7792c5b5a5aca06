import { z } from "zod";
import { devicesAnswer } from "../../contracts/http/data.ts";
import { operation, Reply } from "./operation.ts";
import { whole } from "./query.ts";

export const devices = operation({
  method: "GET",
  path: "/api/v1/devices",
  id: "devices",
  tag: "data",
  summary: "Devices with their newest values and their counts, by name and tags",
  description: "A device is a name with all its tags: of one name at two sites, there are two.",
  scope: { channels: ["devices"] },
  query: z.object({
    after: z.string().max(1024).optional().describe("An earlier page's `next`."),
    limit: whole({ min: 1, max: 10_000, standard: 1_000 }),
  }),
  filter: "`device`, `metric` and tags",
  answer: devicesAnswer,
  example: { query: { limit: "1", device: "*" } },
  async handle({ query, filter, views, clock }) {
    const matches = views.devices.matcher(filter);
    const { slots, total, next } = views.devices.list({ matches, after: query.after ?? "", limit: query.limit });
    const nowUs = clock.nowUs();
    const more = next === undefined ? "" : `,"next":${JSON.stringify(next)}`;
    // The view stores its items as JSON texts.
    const texts = slots.map((slot) => {
      const silentFromUs = views.devices.silentFromUs(slot);
      const text = views.devices.textOf(slot);
      return silentFromUs > nowUs ? text : `${text.slice(0, -1)},"silentSinceUs":${silentFromUs}}`;
    });
    return new Reply(`{"total":${total},"devices":[${texts.join(",")}]${more}}`);
  },
});
