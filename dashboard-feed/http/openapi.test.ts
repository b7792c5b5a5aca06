import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { acknowledgement, delivery, incidentExplanation, openAlert, silence } from "../../contracts/testing/samples.ts";
import { encodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import { encodeRuleSet } from "../../domain/frame-writer.ts";
import { respondRaw } from "../../platform/log/testing/raw-bus.ts";
import { describedApi } from "../testing/described-api.ts";
import {
  alertChange,
  appendAlert,
  appendReadings,
  reading,
  startReadyFeed,
  type TestFeed,
  tokenFor,
  until,
} from "../testing/test-kit.ts";
import { openApiText } from "./openapi.ts";
import type { Operation } from "./operation.ts";
import { OPERATIONS } from "./operations.ts";

const INCIDENT = "cold-room-warm/north-cold-1/1763769600000000";

const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")));

describe("docs/openapi.yaml", () => {
  it("matches this version (`weir openapi > docs/openapi.yaml`)", () => {
    expect(describedApi.text).toBe(openApiText(version));
  });

  it.each(OPERATIONS.map((operation) => [`${operation.method} ${operation.path}`, operation] as const))(
    "describes each parameter in the path of %s",
    (_, { path, params, example }) => {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(Object.keys(params.shape)).toEqual(names);
      expect(Object.keys(example.params ?? {})).toEqual(names);
      for (const name of names) expect(params.shape[name ?? ""]?.description).toBeDefined();
    },
  );

  it("has no dangling reference and no name twice", () => {
    const references = [...describedApi.text.matchAll(/\$ref: ["']?#\/([^"'\n]+)/g)].map(([, path]) => path ?? "");
    expect(references.length).toBeGreaterThan(50);
    for (const path of references) {
      const found = path.split("/").reduce<unknown>((at, name) => Object(at)[name], describedApi.raw);
      expect(found, path).toBeDefined();
    }
    const ids = OPERATIONS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const places = OPERATIONS.map(({ method, path }) => `${method} ${path}`);
    expect([...describedApi.operations.keys()].sort()).toEqual(places.sort());
  });
});

/** An operation's example as a path with its query. */
function examplePath({ path, example }: Operation): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(example.params?.[name])));
  const query = new URLSearchParams(
    Object.entries(example.query ?? {}).map(([name, value]): [string, string] => [name, String(value)]),
  );
  return query.size === 0 ? filled : `${filled}?${query}`;
}

/** Other services, which answer as their contracts say. */
function answerAll(feed: TestFeed): void {
  const { bus } = feed.log;
  const { incident } = alertChange();
  const quiet = silence();
  const taken = acknowledgement({ incident });
  const open = openAlert({ incident, acknowledgement: taken, silencedBy: [quiet.id], inhibitedBy: ["other"] });
  const failed = delivery({ incident, outcome: "failed", attempts: 3, error: "410" });
  const answers: Readonly<Record<string, unknown>> = {
    "history.series": {
      kind: "found",
      tags: { site: "north" },
      buckets: { atUs: [1], min: [1], max: [2], avg: [1.5], count: [2] },
    },
    "history.states": {
      kind: "found",
      tags: { site: "north" },
      runs: [
        { fromUs: 1, lastUs: 2, value: "auto" },
        { fromUs: 3, lastUs: 3, value: true },
      ],
      complete: true,
      before: { atUs: 0, value: "manual" },
    },
    "history.alerts": {
      changes: [alertChange(), alertChange({ state: "resolved", value: Number.NaN })],
      next: null,
    },
    "notifications.alerts": [open],
    "notifications.acknowledge": taken,
    "notifications.deliveries": [failed],
    "notifications.silences": [quiet],
    "notifications.silences.add": quiet,
    "notifications.silences.remove": quiet,
    "rules.files": {
      errors: 1,
      warnings: 1,
      quarantined: 0,
      problems: [
        { severity: "error", code: "E006", file: "a.yaml", line: 1, column: 1, message: "m", help: "h" },
        { severity: "warning", file: "a.yaml", line: 2, column: 1, message: "m" },
      ],
    },
    "broker.listeners": {
      bind: "127.0.0.1",
      listeners: [{ protocol: "mqtt", port: 1883 }],
      users: true,
      topics: ["sensors/{device}"],
      example: { topic: "sensors/cold-1", payload: "{}" },
    },
    sources: {
      file: {
        errors: 1,
        problems: [{ file: "weir.yaml", line: 2, column: 3, message: "m" }],
        waiting: ["broker.users_file"],
      },
      sources: [
        {
          ...{ topics: ["sensors/{device}"], format: "json", ignored: false, messages: 200, readings: 0 },
          warnings: [{ code: "no-readings", message: "m" }],
        },
      ],
    },
    "sources.try": {
      trials: [
        { source: "a/{device}", outcome: "other-topic", why: "m", readings: [], count: 0 },
        {
          ...{ source: "b/{device}", outcome: "read", why: "m", reason: "bad-payload", position: 3, count: 2 },
          readings: [
            { device: "d", tags: { site: "n" }, metric: "m", value: 1, time: "payload", atUs: 1 },
            { device: "d", tags: {}, metric: "n", value: "x", time: "wrong" },
          ],
        },
      ],
      suggestion: { yaml: "- topic: c", before: 2 },
    },
    "explain.incident": incidentExplanation({ incident }),
    "dead-letters.dismiss": { dismissed: 1, before: 3, next: 2 },
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

describe("answers match the document", () => {
  it("where every request succeeds", async () => {
    const feed = await startReadyFeed();
    answerAll(feed);
    // The incident in the examples.
    const firing = alertChange({ incident: INCIDENT, inhibitedBy: [{ rule: "r", equal: ["site"] }] });
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
    for (const operation of OPERATIONS) {
      const { method, example } = operation;
      const body = method === "POST" ? (example.body ?? {}) : undefined;
      const { status, value } = await describedApi.ask(method, feed.url + examplePath(operation), { body });
      expect(status, `${method} ${operation.path}: ${JSON.stringify(value)}`).toBe(200);
    }
    for (const path of ["alerts?rule=cold-room-warm&site=n*", "alerts?state=all", "dead-letters", "dead-letters/2"]) {
      await get(`/api/v1/${path}`);
    }
    const unchanged = await describedApi.ask("GET", `${feed.url}/api/v1/silences`, {
      headers: { "if-none-match": "*" },
    });
    expect(unchanged.status).toBe(304);
    expect(describedApi.unseen()).toEqual([]);
  });

  it("where something is wrong", async () => {
    const few = tokenFor({ name: "few", channels: ["readings"] });
    const admin = tokenFor({ name: "ops", admin: true });
    const north = tokenFor({ name: "north", sites: ["north"] });
    const feed = await startReadyFeed({ config: { tokens: [few.config, admin.config, north.config] } });
    const as = (secret: string) => ({ authorization: `Bearer ${secret}` });
    const json = (body: unknown) => ({ body, headers: as(admin.secret) });
    const long = "x".repeat(9_000);
    const cases = [
      [401, "GET", "devices", {}],
      [401, "GET", "devices", { headers: as("wrong-wrong-wrong") }],
      [403, "GET", "dead-letters", { headers: as(few.secret) }],
      [403, "POST", "dead-letters/1/retry", { headers: as(north.secret) }],
      [403, "POST", "dead-letters/dismiss", { headers: as(north.secret) }],
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
      [404, "GET", "series?device=d&metric=m&tags.site=south", { headers: as(north.secret) }],
      [404, "GET", "alerts/none/explanation", { headers: as(north.secret) }],
      [413, "POST", "alerts/i/acknowledge", json({ note: long + long })],
      [414, "GET", `devices?device=${long}`, { headers: as(admin.secret) }],
      [415, "POST", "dead-letters/1/retry", { headers: { ...as(admin.secret), "content-type": "text/plain" } }],
      [503, "GET", "series?device=d&metric=m&tags.site=south", { headers: as(admin.secret) }],
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

  it("to a token that does not show what the operation needs, or may not give orders", async () => {
    const few = tokenFor({ name: "few", channels: [], admin: false });
    const north = tokenFor({ name: "north", sites: ["north"] });
    const reader = tokenFor({ name: "reader" });
    const feed = await startReadyFeed({ config: { tokens: [few.config, north.config, reader.config] } });
    const statusOf = async (operation: Operation, secret: string | undefined) => {
      const { method, example } = operation;
      const headers = secret === undefined ? {} : { authorization: `Bearer ${secret}` };
      const body = method === "POST" ? (example.body ?? {}) : undefined;
      return (await describedApi.ask(method, feed.url + examplePath(operation), { body, headers })).status;
    };
    for (const operation of OPERATIONS) {
      const { method, path, scope } = operation;
      const isOpen = scope === "open";
      expect(await statusOf(operation, undefined), `${path} without a token`).toBe(isOpen ? 200 : 401);
      expect(await statusOf(operation, few.secret), `${path} without channels`).toBe(isOpen ? 200 : 403);
      if (isOpen) continue;
      if (scope.allSitesOnly) expect(await statusOf(operation, north.secret), `${path} for some sites`).toBe(403);
      if (method !== "GET") expect(await statusOf(operation, reader.secret), `${path} as an order`).toBe(403);
    }
  });

  it("and any other answer fails the check", async () => {
    const url = "http://127.0.0.1/healthz";
    const answer = (body: unknown, status = 200) => Response.json(body, { status });
    await expect(describedApi.checkAnswer("GET", url, answer({ status: "ok" }))).resolves.toBeDefined();
    await expect(describedApi.checkAnswer("GET", url, answer({ status: "ok", more: 1 }))).rejects.toThrow("additional");
    await expect(describedApi.checkAnswer("GET", url, answer({}))).rejects.toThrow("status");
    await expect(describedApi.checkAnswer("GET", url, answer({ status: "ok" }, 418))).rejects.toThrow("418");
    await expect(describedApi.checkAnswer("GET", "http://h/api/v1/none", answer({}))).rejects.toThrow("has no GET");
  });
});
