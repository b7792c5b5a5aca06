import { SOURCES, sourcesSchema } from "../../contracts/sources.ts";
import { askService, INGEST, INGEST_PROBLEMS } from "./ask-service.ts";
import { operation } from "./operation.ts";

export const sources = operation({
  method: "GET",
  path: "/api/v1/sources",
  id: "sources",
  tag: "gateway",
  summary: "The sources in force, what is wrong with them, and errors in weir.yaml",
  scope: { channels: ["stats"], allSitesOnly: true },
  answer: sourcesSchema,
  problems: INGEST_PROBLEMS,
  example: {},
  async handle({ log }) {
    return await askService(log.bus, SOURCES, {}, INGEST);
  },
});
