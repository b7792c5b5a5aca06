import { describe, expect, it } from "vitest";
import { ALERTS_LIST, SILENCES_LIST } from "../../contracts/notifications.ts";
import { acknowledgement, delivery, incidentExplanation, openAlert, silence } from "../../contracts/testing/samples.ts";
import { encodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import { encodeRuleSet } from "../../domain/frame-writer.ts";
import { Silences } from "../../notifier/silences/silences.ts";
import { respondRaw } from "../../platform/log/testing/raw-bus.ts";
import { alertChange, appendAlert, startReadyFeed, type TestFeed, tokenFor, until } from "../testing/test-kit.ts";

const JSON_HEADERS = { "content-type": "application/json" };

async function ask(
  feed: TestFeed,
  method: string,
  path: string,
  about: { body?: unknown; headers?: Record<string, string> } = {},
) {
  const body = about.body === undefined ? {} : { body: JSON.stringify(about.body) };
  const headers = { ...(method === "POST" ? JSON_HEADERS : {}), ...about.headers };
  const answer = await fetch(`${feed.url}/api/v1/${path}`, { method, headers, ...body });
  return {
    status: answer.status,
    allow: answer.headers.get("allow"),
    body: (await answer.json()) as Record<string, unknown>,
  };
}

/** A notifier that accepts and records every request. */
function listen(feed: TestFeed): { subject: string; question: unknown }[] {
  const asked: { subject: string; question: unknown }[] = [];
  const answers = {
    alerts: [openAlert()],
    acknowledge: acknowledgement(),
    deliveries: [delivery()],
    silences: [silence({ id: "answered" })],
    "silences.add": silence(),
    "silences.remove": silence(),
  };
  for (const [name, answer] of Object.entries(answers)) {
    const subject = `notifications.${name}`;
    respondRaw(feed.log.bus, subject, async (question) => {
      asked.push({ subject, question });
      return answer;
    });
  }
  return asked;
}

describe("silences", () => {
  it("are listed page by page, however many there are", async () => {
    const feed = await startReadyFeed();
    const known = new Silences();
    // Many begin at the same instant.
    for (let i = 0; i < 2_500; i++) {
      known.apply(silence({ id: `s-${String(i).padStart(4, "0")}`, fromUs: Math.floor(i / 700), untilUs: 1e15 }), 0);
    }
    feed.log.bus.respond(SILENCES_LIST, async (asked) => known.list(0, asked));
    const ids: unknown[] = [];
    let pages = 0;
    for (let after = ""; ; pages++) {
      const { status, body } = await ask(feed, "GET", `silences?limit=400${after}`);
      expect(status).toBe(200);
      ids.push(...(body.silences as { id: string }[]).map(({ id }) => id));
      if (body.next === undefined) break;
      after = `&after=${encodeURIComponent(String(body.next))}`;
    }
    expect(pages).toBe(6);
    expect(ids).toEqual(known.list(0).map(({ id }) => id));
    expect((await ask(feed, "GET", "silences?after=nonsense")).status).toBe(400);
  });
});

describe("orders", () => {
  it("reach the notifier as the contract defines them", async () => {
    const feed = await startReadyFeed();
    const asked = listen(feed);
    const incident = "too warm/1";
    await ask(feed, "POST", `alerts/${encodeURIComponent(incident)}/acknowledge`, {
      body: { by: "ann", note: "mine" },
    });
    const silence = { matchers: { device: ["a", "b*"] }, untilUs: 2_000_000, by: "ann", why: "defrosting" };
    await ask(feed, "POST", "silences", { body: silence });
    await ask(feed, "DELETE", "silences/s-1?by=ann");
    expect(asked).toEqual([
      { subject: "notifications.acknowledge", question: { incident, by: "ann", note: "mine" } },
      { subject: "notifications.silences.add", question: silence },
      { subject: "notifications.silences.remove", question: { id: "s-1", by: "ann" } },
    ]);
    expect(await ask(feed, "GET", "silences")).toMatchObject({ status: 200, body: { silences: [{ id: "answered" }] } });
    expect(await ask(feed, "GET", "alerts/i/deliveries")).toMatchObject({ status: 200, body: { incident: "i" } });
    expect(await ask(feed, "GET", "open-alerts")).toMatchObject({ status: 200, body: { alerts: [{ incident: "i" }] } });
  });

  it.each([
    ["POST", "alerts/i/acknowledge", {}, 400, /by/],
    ["POST", "silences", { matchers: {}, untilUs: "soon", by: "a", why: "b" }, 400, /untilUs/],
    ["POST", "silences", { matchers: {}, untilUs: 1, by: "a", why: "b", color: 1 }, 400, /color/],
    ["DELETE", "silences/s-1", undefined, 400, /by/],
    ["DELETE", "silences", undefined, 405, /DELETE/],
    ["PUT", "silences/s-1", undefined, 405, /PUT/],
    ["POST", "alerts/i/acknowledge", { by: "a", note: "x".repeat(20_000) }, 413, /bytes/],
  ])("%s %s with %j is refused", async (method, path, body, status, words) => {
    const feed = await startReadyFeed();
    const asked = listen(feed);
    const answer = await ask(feed, method, path, { body });
    expect(answer.status).toBe(status);
    expect(answer.body.detail).toMatch(words);
    expect(asked).toEqual([]);
  });

  it("lists the methods of a path", async () => {
    const feed = await startReadyFeed();
    expect((await ask(feed, "PUT", "silences")).allow).toBe("GET, HEAD, POST");
    expect((await ask(feed, "PUT", "silences/s-1")).allow).toBe("DELETE");
  });

  it("are accepted from our own page and from programs, but not from other pages", async () => {
    const feed = await startReadyFeed({ config: { allowed_origins: ["https://ops.example"] } });
    const asked = listen(feed);
    const order = (headers: Record<string, string>) =>
      ask(feed, "POST", "alerts/i/acknowledge", { body: { by: "ann" }, headers });
    expect(await order({ origin: "https://ops.example" })).toMatchObject({ status: 403, body: { code: "origin" } });
    expect(await order({ origin: "null" })).toMatchObject({ status: 403 });
    expect(await order({ "content-type": "text/plain" })).toMatchObject({ status: 415 });
    expect(asked).toEqual([]);
    expect(await order({ origin: feed.url })).toMatchObject({ status: 200 });
    expect(await order({})).toMatchObject({ status: 200 });
  });

  it("need an admin's token where tokens are configured, whose name is then recorded", async () => {
    const [reader, admin] = [tokenFor({ name: "reader" }), tokenFor({ name: "ops", admin: true })];
    const feed = await startReadyFeed({ config: { tokens: [reader.config, admin.config] } });
    const asked = listen(feed);
    const order = (secret: string, body: unknown) =>
      ask(feed, "POST", "alerts/i/acknowledge", { body, headers: { authorization: `Bearer ${secret}` } });
    expect(await ask(feed, "POST", "alerts/i/acknowledge", { body: {} })).toMatchObject({ status: 401 });
    expect(await order(reader.secret, { by: "eve" })).toMatchObject({ status: 403, body: { code: "forbidden" } });
    expect(asked).toEqual([]);
    expect(await order(admin.secret, { by: "ann" })).toMatchObject({ status: 200 });
    expect(await order(admin.secret, {})).toMatchObject({ status: 200 });
    expect(asked.map(({ question }) => question)).toMatchObject([{ by: "ann (ops)" }, { by: "ops" }]);
  });

  it("need tokens when the feed is reachable from other machines", async () => {
    const feed = await startReadyFeed({ config: { bind: "0.0.0.0", insecure: true } });
    const asked = listen(feed);
    const answer = await ask(feed, "POST", "alerts/i/acknowledge", { body: { by: "ann" } });
    expect(answer).toMatchObject({
      status: 403,
      body: { code: "forbidden", detail: expect.stringContaining("admin") },
    });
    expect(asked).toEqual([]);
  });

  it("return the notifier's own message, or how to start it", async () => {
    const feed = await startReadyFeed();
    const order = () => ask(feed, "POST", "alerts/i/acknowledge", { body: { by: "ann" } });
    expect(await order()).toMatchObject({ status: 503, body: { code: "notifier-unavailable" } });
    respondRaw(feed.log.bus, "notifications.acknowledge", async () => {
      throw new Error("incident i is not open");
    });
    expect(await order()).toMatchObject({ status: 422, body: { detail: "incident i is not open" } });
  });
});

describe("open alerts", () => {
  it("can be limited to acknowledged, silenced and inhibited ones", async () => {
    const feed = await startReadyFeed();
    const marked = [
      openAlert({ incident: "taken", acknowledgement: acknowledgement() }),
      openAlert({ incident: "quiet", silencedBy: ["s-1"] }),
      openAlert({ incident: "held", inhibitedBy: ["x"] }),
    ];
    respondRaw(feed.log.bus, "notifications.alerts", async (question) => {
      return "marked" in Object(question) ? marked : [openAlert({ incident: "plain" }), ...marked];
    });
    const incidents = async (query: string) => {
      const { alerts } = (await ask(feed, "GET", `open-alerts${query}`)).body as { alerts: { incident: string }[] };
      return alerts.map(({ incident }) => incident);
    };
    expect(await incidents("")).toEqual(["plain", "taken", "quiet", "held"]);
    expect(await incidents("?marked=true")).toEqual(["taken", "quiet", "held"]);
  });

  it("come in pages, however many there are", async () => {
    const feed = await startReadyFeed();
    const all = Array.from({ length: 12_000 }, (_, i) => openAlert({ incident: `i-${i}`, activeAtUs: 1_000 + i }));
    respondRaw(feed.log.bus, "notifications.alerts", async (question) => {
      const { limit, after } = ALERTS_LIST.ask.parse(question);
      return all.filter(({ activeAtUs }) => activeAtUs > (after?.activeAtUs ?? 0)).slice(0, limit);
    });
    const found: string[] = [];
    for (let after: string | undefined = ""; after !== undefined; ) {
      const { body } = await ask(feed, "GET", `open-alerts?limit=3000${after && `&after=${after}`}`);
      const page = body as { alerts: { incident: string }[]; next?: string };
      found.push(...page.alerts.map(({ incident }) => incident));
      after = page.next;
    }
    expect(found).toEqual(all.map(({ incident }) => incident));
    expect((await ask(feed, "GET", "open-alerts?after=x")).status).toBe(400);
  });

  it("do not name incidents of other sites with a token for some sites", async () => {
    const north = tokenFor({ name: "north", sites: ["north"] });
    const feed = await startReadyFeed({ config: { tokens: [north.config] } });
    const headers = { authorization: `Bearer ${north.secret}` };
    await appendAlert(feed.log, alertChange({ incident: "own" }));
    await appendAlert(feed.log, alertChange({ incident: "far", key: { device: "f" }, labels: { site: "south" } }));
    const inhibitedBy = ["own", "far"];
    const own = openAlert({ incident: "own", inhibitedBy });
    respondRaw(feed.log.bus, "notifications.alerts", async () => [own]);
    respondRaw(feed.log.bus, "notifications.deliveries", async () => [delivery({ incident: "own", inhibitedBy })]);
    await until("own", async () => (await ask(feed, "GET", "alerts/own", { headers })).status === 200);
    const shown = { incident: "own", inhibitedBy: ["own", "an incident elsewhere"] };
    expect((await ask(feed, "GET", "open-alerts", { headers })).body).toMatchObject({ alerts: [shown] });
    expect((await ask(feed, "GET", "alerts/own/deliveries", { headers })).body).toMatchObject({ deliveries: [shown] });
  });
});

describe("an incident", () => {
  it("has its changes in order, and an explanation if a service gives one", async () => {
    const feed = await startReadyFeed();
    await appendAlert(feed.log, alertChange({ id: "1", incident: "x", state: "pending" }));
    await appendAlert(feed.log, alertChange({ id: "2", incident: "y", key: { device: "other" } }));
    await appendAlert(feed.log, alertChange({ id: "3", incident: "x", state: "firing" }));
    await until("both", async () => ((await ask(feed, "GET", "alerts/x")).body.changes as unknown[])?.length === 2);
    expect((await ask(feed, "GET", "alerts/x")).body).toMatchObject({ changes: [{ id: "1" }, { id: "3" }] });
    expect(await ask(feed, "GET", "alerts/z")).toMatchObject({ status: 404, body: { code: "unknown-incident" } });
    expect(await ask(feed, "GET", "alerts/x/explanation")).toMatchObject({ status: 503 });
    respondRaw(feed.log.bus, "explain.incident", async (question) =>
      incidentExplanation({ notes: [JSON.stringify(question)] }),
    );
    expect((await ask(feed, "GET", "alerts/x/explanation")).body).toEqual({
      incident: "x",
      explanation: incidentExplanation({ notes: ['{"incident":"x"}'] }),
    });
  });

  it("of another site is not found with a token for some sites", async () => {
    const north = tokenFor({ name: "north", sites: ["north"] });
    const feed = await startReadyFeed({ config: { tokens: [north.config] } });
    const headers = { authorization: `Bearer ${north.secret}` };
    await appendAlert(feed.log, alertChange({ incident: "own" }));
    await appendAlert(feed.log, alertChange({ incident: "far", key: { device: "f" }, labels: { site: "south" } }));
    await until("own", async () => (await ask(feed, "GET", "alerts/own", { headers })).status === 200);
    for (const path of ["alerts/far", "alerts/far/deliveries", "alerts/far/explanation"]) {
      expect((await ask(feed, "GET", path, { headers })).status, path).toBe(404);
    }
    for (const path of ["silences", "dead-letters", "dead-letters/1"]) {
      expect((await ask(feed, "GET", path, { headers })).status, path).toBe(403);
    }
    respondRaw(feed.log.bus, "notifications.alerts", async () => [
      openAlert({ incident: "own" }),
      openAlert({ incident: "far", labels: { site: "south" } }),
    ]);
    expect((await ask(feed, "GET", "open-alerts", { headers })).body.alerts).toMatchObject([{ incident: "own" }]);
  });
});

describe("dead letters", () => {
  async function refuse(feed: TestFeed, reason: string, payload: Uint8Array): Promise<void> {
    const letter = {
      reason,
      detail: `no ${reason}`,
      topic: "t/1",
      payload,
      clientId: "c",
      receivedAtUs: 5,
      position: 2,
    };
    await feed.log.append({ subject: `deadletters.${reason}`, payload: encodeDeadLetter(letter) });
  }

  it("are listed newest first, page by page and by reason, and shown whole", async () => {
    const feed = await startReadyFeed();
    expect((await ask(feed, "GET", "dead-letters")).body).toEqual({ total: 0, reasons: {}, letters: [] });
    for (let i = 1; i <= 7; i++) await refuse(feed, i % 2 === 0 ? "even" : "odd", Buffer.from(`letter ${i}`));
    const list = async (query: string) => {
      const { letters, next } = (await ask(feed, "GET", `dead-letters${query}`)).body as {
        letters: { sequence: number }[];
        next?: number;
      };
      return { sequences: letters.map(({ sequence }) => sequence), next };
    };
    expect(await list("?limit=3")).toEqual({ sequences: [7, 6, 5], next: 5 });
    expect(await list("?limit=3&before=5")).toEqual({ sequences: [4, 3, 2], next: 2 });
    expect(await list("?limit=3&before=2")).toEqual({ sequences: [1], next: undefined });
    expect((await list("?reason=even")).sequences).toEqual([6, 4, 2]);
    expect((await list("?topic=t/?")).sequences).toHaveLength(7);
    expect((await list("?topic=u*")).sequences).toEqual([]);
    expect((await ask(feed, "GET", "dead-letters")).body).toMatchObject({ total: 7, reasons: { even: 3, odd: 4 } });
    expect(await list("?reason=odd&limit=2")).toEqual({ sequences: [7, 5], next: 5 });
    const base64 = Buffer.from("letter 3").toString("base64");
    expect((await ask(feed, "GET", "dead-letters/3")).body).toMatchObject({
      ...{ sequence: 3, reason: "odd", detail: "no odd", topic: "t/1", text: "letter 3", position: 2 },
      base64,
    });
    await refuse(feed, "bytes", Uint8Array.of(0xff, 0xfe));
    expect((await ask(feed, "GET", "dead-letters/8")).body).toMatchObject({ text: null, base64: "//4=" });
    for (const sequence of ["9", "0", "x"])
      expect((await ask(feed, "GET", `dead-letters/${sequence}`)).status).toBe(404);
  });
});

describe("rule activity", () => {
  it("counts the incidents that fired, and says since when the rules are in force", async () => {
    const feed = await startReadyFeed();
    const { sequence } = await feed.log.append({
      subject: "readings.0",
      payload: encodeRuleSet({ version: "v1", rulesJson: '[{"id":"r"}]' }),
    });
    const about = { rule: "r" };
    await appendAlert(
      feed.log,
      alertChange({ ...about, incident: "1", key: { device: "a" }, state: "firing", atUs: 100 }),
    );
    await appendAlert(
      feed.log,
      alertChange({ ...about, incident: "1", key: { device: "a" }, state: "resolved", atUs: 200 }),
    );
    await appendAlert(
      feed.log,
      alertChange({ ...about, incident: "2", key: { device: "b" }, state: "pending", atUs: 300 }),
    );
    await until("all", async () => {
      const { body } = await ask(feed, "GET", "rule-activity");
      return body.version === "v1" && (body.rules as { lastAtUs?: number }[])[0]?.lastAtUs === 300;
    });
    const { body } = await ask(feed, "GET", "rule-activity");
    expect(body).toMatchObject({
      version: "v1",
      sequence,
      sinceUs: 100,
      rules: [{ rule: "r", fired: 1, lastAtUs: 300 }],
    });
    const stored = await feed.log.lastFor("READINGS", "readings.0");
    expect(body.inForceSinceUs).toBe(stored?.storedAtUs);
  });
});
