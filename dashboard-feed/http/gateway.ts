import { healthAnswer, readinessSchema } from "../../contracts/http/gateway.ts";
import { parseReport } from "../views/stats-view.ts";
import { metricsText } from "./metrics-text.ts";
import { operation, Reply } from "./operation.ts";

export const healthz = operation({
  method: "GET",
  path: "/healthz",
  id: "healthz",
  tag: "gateway",
  summary: "The process is alive",
  scope: "open",
  answer: healthAnswer,
  example: {},
  async handle() {
    return { status: "ok" };
  },
});

export const readyz = operation({
  method: "GET",
  path: "/readyz",
  id: "readyz",
  tag: "gateway",
  summary: "Whether every service works, and what an acknowledgement guarantees",
  scope: "open",
  answer: readinessSchema,
  answerAlso: { 503: "Not ready." },
  example: {},
  async handle({ log, views, readiness }) {
    const notReady = views.notReady();
    const services = [
      ...readiness().filter(({ name }) => name !== "feed"),
      { name: "feed", health: { ready: notReady === undefined, detail: notReady ?? "" } },
    ].map(({ name, health }) => ({ name, ...health }));
    const ready = log.healthy() && services.every((service) => service.ready);
    const answer = { ready, log: { ready: log.healthy(), durability: log.durability }, services };
    return new Reply(JSON.stringify(answer), { status: ready ? 200 : 503 });
  },
});

export const metrics = operation({
  method: "GET",
  path: "/metrics",
  id: "metrics",
  tag: "gateway",
  summary: "The metrics of every service, in Prometheus text format",
  scope: { channels: ["stats"], allSitesOnly: true },
  answer: "text/plain",
  example: {},
  async handle({ instance, clock, metrics, views }) {
    const own = parseReport({ instance, atUs: clock.nowUs(), metrics: await metrics.registry.getMetricsAsJSON() });
    const others = views.stats.reports.filter((report) => report.instance !== instance);
    const text = metricsText(own === undefined ? others : [own, ...others]);
    return new Reply(text, { type: "text/plain; version=0.0.4; charset=utf-8" });
  },
});
