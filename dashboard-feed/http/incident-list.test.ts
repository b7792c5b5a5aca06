import { describe, expect, it } from "vitest";
import { z } from "zod";
import { incidentAnswer, incidentsAnswer } from "../../contracts/http/alerts.ts";
import { incidentEventsIn } from "../../contracts/incident-events.ts";
import { acknowledgement, delivery } from "../../contracts/testing/samples.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { respondRaw } from "../../platform/log/testing/raw-bus.ts";
import { describedApi } from "../testing/described-api.ts";
import { alertChange, appendAlert, startReadyFeed, type TestFeed, tokenFor, until } from "../testing/test-kit.ts";

const T0 = 1_763_769_600_000_000;
const MINUTE = 60_000_000;

async function get(feed: TestFeed, path: string, headers: Record<string, string> = {}) {
  return await describedApi.ask("GET", `${feed.url}/api/v1/${path}`, { headers });
}

async function incidentsOf(feed: TestFeed, query: string) {
  return incidentsAnswer.parse((await get(feed, `incidents?${query}`)).value);
}

/** An incident that fired at 187, had 312 as its worst value, and ended at 9 after ten minutes. */
function pastIncident(about: Partial<AlertChange> = {}): [AlertChange, AlertChange] {
  const facts = { title: "PM2.5 at 187", firedAtUs: T0, incident: "past", ...about };
  return [
    alertChange({ ...facts, worst: 187, annotations: { summary: "PM2.5 at 187" } }),
    alertChange({
      ...{ ...facts, from: "firing", state: "resolved", worst: 312, value: 9, atUs: T0 + 10 * MINUTE },
      annotations: { summary: "PM2.5 at 9" },
    }),
  ];
}

const ack = acknowledgement({ incident: "past", by: "ann", note: "on my way", atUs: T0 + MINUTE });
const delivered = delivery({ incident: "past", atUs: T0 + 5 });

const acknowledged = {
  subject: "notifications.acknowledgements.hot.1",
  payload: Buffer.from(JSON.stringify({ ...ack, alert: "hot.1" })),
};
const notified = {
  subject: "notifications.deliveries.ops.webhook.hot.1",
  payload: Buffer.from(JSON.stringify({ settled: 1, deliveries: [delivered] })),
};

const PAST = {
  ...{ incident: "past", title: "PM2.5 at 187", firedAtUs: T0, endedAtUs: T0 + 10 * MINUTE, durationS: 600 },
  ...{ worst: 312, state: "resolved", acknowledgement: ack, deliveries: [delivered] },
};

/** A store with these changes and the events of `past`. */
function respondAsStore(feed: TestFeed, changes: readonly AlertChange[]): void {
  const newestFirst = changes.toSorted((a, b) => b.atUs - a.atUs || (a.id < b.id ? 1 : -1));
  respondRaw(feed.log.bus, "history.alerts", async () => ({ changes: newestFirst, next: null }));
  respondRaw(feed.log.bus, "history.incident", async (question) => {
    const { incident } = z.object({ incident: z.string() }).parse(question);
    return { changes: newestFirst.filter((change) => change.incident === incident), next: null };
  });
  respondRaw(feed.log.bus, "history.incident_events", async (question) => {
    const { incidents } = z.object({ incidents: z.array(z.string()) }).parse(question);
    const events = [acknowledged, notified].flatMap(incidentEventsIn);
    return events.filter(({ incident }) => incidents.includes(incident));
  });
}

describe("an incident that has ended", () => {
  it("keeps title, worst value, duration, acknowledgement and deliveries in the store", async () => {
    const feed = await startReadyFeed();
    respondAsStore(feed, pastIncident());
    const page = await incidentsOf(feed, "state=resolved");
    expect(page).toMatchObject({ source: "store", incidents: [PAST] });
    expect((await incidentsOf(feed, "state=ended&acknowledged=false")).incidents).toEqual([]);
    const one = incidentAnswer.parse((await get(feed, "alerts/past")).value);
    expect(one.summary).toMatchObject(PAST);
    expect(one.changes.map(({ state }) => state)).toEqual(["firing", "resolved"]);
    expect((await get(feed, "alerts/past/deliveries")).value).toEqual({ incident: "past", deliveries: [delivered] });
  });

  it("keeps them in the feed's memory if the store has no history", async () => {
    const feed = await startReadyFeed();
    respondRaw(feed.log.bus, "history.alerts", async () => {
      throw new Error("influx is write-only, so it has no history to query");
    });
    await feed.log.append(notified);
    for (const change of pastIncident()) await appendAlert(feed.log, change);
    await feed.log.append(acknowledged);
    await until("acknowledged", async () => {
      const { incidents } = await incidentsOf(feed, "state=resolved");
      return incidents[0]?.acknowledgement !== undefined;
    });
    expect(await incidentsOf(feed, "state=resolved")).toMatchObject({ source: "memory", incidents: [PAST] });
    expect((await get(feed, "alerts/past")).value).toMatchObject({ summary: PAST });
  });

  it("in the store is shown only to tokens for its site", async () => {
    const north = tokenFor({ name: "north", sites: ["north"] });
    const south = tokenFor({ name: "south", sites: ["south"] });
    const feed = await startReadyFeed({ config: { tokens: [north.config, south.config] } });
    respondAsStore(feed, pastIncident());
    const as = ({ secret }: { readonly secret: string }) => ({ authorization: `Bearer ${secret}` });
    expect((await get(feed, "alerts/past", as(north))).status).toBe(200);
    expect((await get(feed, "alerts/past/deliveries", as(north))).status).toBe(200);
    expect((await get(feed, "alerts/past", as(south))).status).toBe(404);
    expect((await get(feed, "alerts/past/deliveries", as(south))).status).toBe(404);
    expect((await get(feed, "incidents?state=resolved", as(south))).value).toMatchObject({ incidents: [] });
  });
});

describe("open incidents", () => {
  it("are counted, acknowledged ones apart, and come in pages", async () => {
    const feed = await startReadyFeed();
    for (let i = 0; i < 250; i++) {
      await appendAlert(feed.log, alertChange({ key: { device: `d${i}` }, incident: `open-${i}` }));
    }
    await appendAlert(feed.log, alertChange({ key: { device: "p" }, incident: "pending", state: "pending" }));
    const { alert, ...taken } = { ...ack, incident: "open-7", alert: "hot.7" };
    await feed.log.append({ ...acknowledged, payload: Buffer.from(JSON.stringify({ ...taken, alert })) });
    await until("all", async () => {
      const { counts } = await incidentsOf(feed, "limit=1");
      return counts?.pending === 1 && counts.acknowledged === 1;
    });
    const { counts } = await incidentsOf(feed, "limit=1");
    expect(counts).toEqual({ firing: 250, pending: 1, acknowledged: 1, unacknowledged: 249 });
    const found: string[] = [];
    for (let after: string | undefined = ""; after !== undefined; ) {
      const page = await incidentsOf(feed, `state=firing&limit=100${after && `&after=${after}`}`);
      found.push(...page.incidents.map(({ incident }) => incident));
      after = page.next;
    }
    expect(found).toEqual(Array.from({ length: 250 }, (_, i) => `open-${249 - i}`));
    const mine = await incidentsOf(feed, "acknowledged=true");
    expect(mine.incidents).toMatchObject([{ incident: "open-7", acknowledgement: { by: "ann", note: "on my way" } }]);
    expect((await get(feed, "incidents?after=past.x")).status).toBe(400);
  });

  it("are all in the feed's snapshot and in the pages of the API when 5,000 are newer than a critical one", async () => {
    const feed = await startReadyFeed();
    await appendAlert(feed.log, alertChange({ key: { device: "oldest" }, incident: "oldest", severity: "critical" }));
    for (let i = 0; i < 5_000; i++) {
      const about = { key: { device: `d${i}` }, incident: `open-${i}`, severity: "info" } as const;
      await appendAlert(feed.log, alertChange(about));
    }
    await until("all", async () => (await incidentsOf(feed, "limit=1")).counts?.firing === 5_001);
    const critical = await incidentsOf(feed, "severity=critical");
    expect(critical.incidents.map(({ incident }) => incident)).toEqual(["oldest"]);
    const found = new Set<string>();
    for (let after: string | undefined = ""; after !== undefined; ) {
      const page = await incidentsOf(feed, `limit=1000${after && `&after=${after}`}`);
      for (const { incident } of page.incidents) found.add(incident);
      after = page.next;
    }
    expect(found.size).toBe(5_001);
    const client = await feed.connect();
    client.send({ type: "subscribe", id: "1", channel: "alerts" });
    await until("the snapshot", () => client.items<AlertChange>("1").length === 5_001);
    expect(client.items<AlertChange>("1")[0]?.incident).toBe("oldest");
  });
});
