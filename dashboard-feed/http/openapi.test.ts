import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { acknowledgement, delivery, openAlert, silence } from "../../contracts/testing/samples.ts";
import { encodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import { encodeRuleSet } from "../../domain/frame-writer.ts";
import { respondRaw } from "../../platform/log/testing/raw-bus.ts";
import { describedApi } from "../testing/described-api.ts";
import {
  alertChange,
  appendAlert,
  appendReadings,
  reading,
  startTestFeed,
  type TestFeed,
  tokenFor,
  until,
} from "../testing/test-kit.ts";
import { openApiText } from "./openapi.ts";
import { OPERATIONS } from "./routes.ts";

const running: TestFeed[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((feed) => feed.stop()));
});

async function start(options?: Parameters<typeof startTestFeed>[0]): Promise<TestFeed> {
  const feed = await startTestFeed(options);
  running.push(feed);
  await until("ready", () => feed.feed.health().ready);
  return feed;
}

const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")));

describe("docs/openapi.yaml", () => {
  it("is the one of this version (`weir openapi > docs/openapi.yaml`)", () => {
    expect(describedApi.text).toBe(openApiText(version));
  });

  it("has every route and none more", () => {
    const others = ["GET /healthz", "GET /readyz", "GET /metrics"];
    expect([...describedApi.operations.keys()].sort()).toEqual([...OPERATIONS, ...others].sort());
  });

  it("has no reference into nothing, and no name twice", () => {
    const references = [...describedApi.text.matchAll(/\$ref: ["']?#\/([^"'\n]+)/g)].map(([, path]) => path ?? "");
    expect(references.length).toBeGreaterThan(50);
    for (const path of references) {
      const found = path.split("/").reduce<unknown>((at, name) => Object(at)[name], describedApi.raw);
      expect(found, path).toBeDefined();
    }
    const ids = [...describedApi.operations.values()].map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

/** Other services, which answer what their contracts say. */
function answerAll(feed: TestFeed): void {
  const { bus } = feed.log;
  const { incident } = alertChange();
  const quiet = silence();
  const taken = acknowledgement({ incident });
  const open = openAlert({ incident, acknowledgement: taken, silencedBy: [quiet.id], inhibitedBy: ["other"] });
  const failed = delivery({ incident, outcome: "failed", attempts: 3, error: "410" });
  const answers: Readonly<Record<string, unknown>> = {
    "history.series": { atUs: [1], min: [1], max: [2], avg: [1.5], count: [2] },
    "history.alerts": [alertChange(), alertChange({ state: "resolved", value: Number.NaN })],
    "notifications.alerts": [open],
    "notifications.acknowledge": taken,
    "notifications.deliveries": [failed],
    "notifications.silences": [quiet],
    "notifications.silences.add": quiet,
    "notifications.silences.remove": quiet,
    "dead-letters.retry": {
      results: [
        { sequence: 1, outcome: "stored", detail: "", retry: { outcome: "stored", by: "", atUs: 1, readings: 1 } },
      ],
      before: 3,
      next: 1,
    },
  };
  for (const [subject, answer] of Object.entries(answers)) respondRaw(bus, subject, async () => answer);
}

describe("answers are as the document has them", () => {
  it("where all is well", async () => {
    const feed = await start();
    answerAll(feed);
    const firing = alertChange({ incident: "i/1", inhibitedBy: [{ rule: "r", equal: ["site"] }] });
    await appendAlert(feed.log, firing);
    await appendReadings(feed.log, [reading({ atUs: 1 }), reading({ atUs: 1, metric: "door", value: true })]);
    const text = {
      reason: "bad-payload",
      detail: "no",
      topic: "t",
      payload: Buffer.from("{"),
      clientId: "c",
      receivedAtUs: 1,
      position: 0,
    };
    const bytes = { ...text, payload: Uint8Array.of(255), retryOf: 1 };
    for (const letter of [text, bytes])
      await feed.log.append({ subject: "deadletters.bad-payload", payload: encodeDeadLetter(letter) });
    const mark = { outcome: "refused", by: "ann", atUs: 2, readings: 0, letter: 2 };
    await feed.log.append({ subject: "deadletters.retried.1", payload: Buffer.from(JSON.stringify(mark)) });
    const get = async (path: string) => {
      const { status, value } = await describedApi.ask("GET", `${feed.url}${path}`);
      expect(status, `${path}: ${JSON.stringify(value)}`).toBe(200);
      return value;
    };
    await get("/api/v1/rules");
    await feed.log.append({
      subject: "readings.0",
      payload: encodeRuleSet({ version: "v1", rulesJson: '[{"id":"r","when":"> 1"}]' }),
    });
    await until(
      "rules",
      async () => z.object({ version: z.unknown() }).parse(await get("/api/v1/rules")).version === "v1",
    );
    await until(
      "alert",
      async () => z.object({ alerts: z.array(z.unknown()) }).parse(await get("/api/v1/alerts")).alerts.length > 0,
    );
    for (const path of [
      "/healthz",
      "/readyz",
      "/metrics",
      "/api/v1/series?device=cold-1&metric=temperature",
      "/api/v1/alerts?state=all&limit=1",
      "/api/v1/alerts?rule=cold-room-warm&site=n*",
      "/api/v1/devices?limit=1&device=*",
      "/api/v1/rule-activity",
      "/api/v1/open-alerts?marked=true",
      "/api/v1/alerts/i%2F1",
      "/api/v1/alerts/i%2F1/deliveries",
      "/api/v1/silences",
      "/api/v1/dead-letters?reason=bad-payload&topic=*&limit=1",
      "/api/v1/dead-letters",
      "/api/v1/dead-letters/1",
      "/api/v1/dead-letters/2",
    ])
      await get(path);
    for (const [method, path, body] of [
      ["POST", "alerts/i%2F1/acknowledge", { by: "ann" }],
      ["POST", "silences", { matchers: { rule: "*" }, untilUs: 2, by: "ann", why: "w" }],
      ["DELETE", "silences/s-1?by=ann", undefined],
      ["POST", "dead-letters/retry", {}],
      ["POST", "dead-letters/1/retry", {}],
    ] as const) {
      const { status, value } = await describedApi.ask(method, `${feed.url}/api/v1/${path}`, { body });
      expect(status, `${path}: ${JSON.stringify(value)}`).toBe(200);
    }
    const unchanged = await describedApi.ask("GET", `${feed.url}/api/v1/silences`, {
      headers: { "if-none-match": "*" },
    });
    expect(unchanged.status).toBe(304);
    // How an incident came to be is told by a processor; a whole gateway is asked for that elsewhere.
    expect(describedApi.unseen()).toEqual(["GET /api/v1/alerts/{incident}/explanation"]);
  });

  it("where something is wrong", async () => {
    const few = tokenFor({ name: "few", channels: ["readings"] });
    const admin = tokenFor({ name: "ops", admin: true });
    const north = tokenFor({ name: "north", sites: ["north"] });
    const feed = await start({ config: { tokens: [few.config, admin.config, north.config] } });
    const as = (secret: string) => ({ authorization: `Bearer ${secret}` });
    const json = (body: unknown) => ({ body, headers: as(admin.secret) });
    const long = "x".repeat(9_000);
    const cases = [
      [401, "GET", "devices", {}],
      [401, "GET", "devices", { headers: as("wrong-wrong-wrong") }],
      [403, "GET", "dead-letters", { headers: as(few.secret) }],
      [403, "POST", "dead-letters/1/retry", { headers: as(north.secret) }],
      [
        403,
        "POST",
        "dead-letters/retry",
        { body: {}, headers: { ...as(admin.secret), origin: "https://other.example" } },
      ],
      [400, "GET", "alerts?limit=no", { headers: as(admin.secret) }],
      [400, "GET", "series?device=d", { headers: as(admin.secret) }],
      [400, "POST", "silences", json({ matchers: {}, untilUs: "soon" })],
      [400, "POST", "dead-letters/retry", json({ limit: 0 })],
      [404, "GET", "alerts/none", { headers: as(admin.secret) }],
      [404, "GET", "dead-letters/9", { headers: as(admin.secret) }],
      [404, "GET", "series?device=d&metric=m", { headers: as(north.secret) }],
      [404, "GET", "alerts/none/explanation", { headers: as(north.secret) }],
      [413, "POST", "alerts/i/acknowledge", json({ note: long + long })],
      [414, "GET", `devices?device=${long}`, { headers: as(admin.secret) }],
      [415, "POST", "dead-letters/1/retry", { headers: { ...as(admin.secret), "content-type": "text/plain" } }],
      [503, "GET", "series?device=d&metric=m", { headers: as(admin.secret) }],
      [503, "GET", "silences", { headers: as(admin.secret) }],
      [503, "POST", "dead-letters/1/retry", json({})],
    ] as const;
    for (const [status, method, path, about] of cases) {
      const answer = await describedApi.ask(method, `${feed.url}/api/v1/${path}`, about);
      expect(answer.status, `${method} ${path.slice(0, 60)}`).toBe(status);
    }
    respondRaw(feed.log.bus, "dead-letters.retry", async () => {
      throw new Error("too many");
    });
    respondRaw(feed.log.bus, "notifications.silences", async () => {
      throw new Error("no");
    });
    expect((await describedApi.ask("POST", `${feed.url}/api/v1/dead-letters/retry`, json({}))).status).toBe(422);
    expect((await describedApi.ask("GET", `${feed.url}/api/v1/silences`, { headers: as(admin.secret) })).status).toBe(
      502,
    );
    expect((await describedApi.ask("GET", `${feed.url}/metrics`, { headers: as(north.secret) })).status).toBe(403);
  });

  it("and an answer with something else is noticed", async () => {
    const url = "http://127.0.0.1/healthz";
    const answer = (body: unknown, status = 200) => Response.json(body, { status });
    await expect(describedApi.checkAnswer("GET", url, answer({ status: "ok" }))).resolves.toBeDefined();
    await expect(describedApi.checkAnswer("GET", url, answer({ status: "ok", more: 1 }))).rejects.toThrow("additional");
    await expect(describedApi.checkAnswer("GET", url, answer({}))).rejects.toThrow("status");
    await expect(describedApi.checkAnswer("GET", url, answer({ status: "ok" }, 418))).rejects.toThrow("418");
    await expect(describedApi.checkAnswer("GET", "http://h/api/v1/none", answer({}))).rejects.toThrow("has no GET");
  });
});
