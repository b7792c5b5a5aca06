import { LISTENERS, listenersSchema } from "../../contracts/listeners.ts";
import { askService, EDGE, EDGE_PROBLEMS } from "./ask-service.ts";
import { operation } from "./operation.ts";

export const listeners = operation({
  method: "GET",
  path: "/api/v1/listeners",
  id: "listeners",
  tag: "gateway",
  summary: "Where devices send their messages, with an example of a message",
  scope: { channels: ["devices"] },
  answer: listenersSchema,
  problems: EDGE_PROBLEMS,
  example: {},
  async handle({ log }) {
    return await askService(log.bus, LISTENERS, {}, EDGE);
  },
});
