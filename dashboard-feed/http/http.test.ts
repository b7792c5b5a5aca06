import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { AlertsQuery } from "../../contracts/history.ts";
import { encodeRuleSet } from "../../domain/frame-writer.ts";
import { PortInUseError } from "../../platform/errors.ts";
import { publishRaw, respondRaw } from "../../platform/log/testing/raw-bus.ts";
import { alertChange, appendAlert, appendReadings, reading, startReadyFeed, until } from "../testing/test-kit.ts";

const folders: string[] = [];

afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

async function makePage(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "weir-page-"));
  folders.push(folder);
  await mkdir(join(folder, "page", "assets"), { recursive: true });
  await writeFile(join(folder, "secret.txt"), "secret");
  await writeFile(join(folder, "page", "index.html"), "<!doctype html><title>Weir</title>");
  await writeFile(join(folder, "page", "theme.js"), "1;");
  await writeFile(join(folder, "page", "assets", "index-Ab3_dE9x.js"), `// ${"x".repeat(5_000)}`);
  await symlink(join(folder, "secret.txt"), join(folder, "page", "link.txt"));
  return join(folder, "page");
}

/** The answer to a request with exactly this path. `fetch` would normalize it. */
async function raw(port: number, requestLine: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(`${requestLine} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe("the page", () => {
  it("is served with types, caching and security headers", async () => {
    const feed = await startReadyFeed({ config: { page_dir: await makePage() } });
    const page = await fetch(feed.url);
    expect(await page.text()).toContain("<title>Weir</title>");
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(page.headers.get("cache-control")).toBe("no-cache");
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain(`ws://127.0.0.1:${feed.port}`);
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");

    const etag = page.headers.get("etag") ?? "";
    const again = await fetch(feed.url, { headers: { "if-none-match": `W/${etag}` } });
    expect(again.status).toBe(304);
    expect(await again.text()).toBe("");

    const asset = await fetch(`${feed.url}/assets/index-Ab3_dE9x.js`);
    expect(asset.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(asset.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect(asset.headers.get("content-encoding")).toBe("gzip");
    expect(await asset.text()).toHaveLength(5_003);
    const plain = await raw(feed.port, "GET /assets/index-Ab3_dE9x.js");
    expect(plain).toContain("Content-Length: 5003");
  });

  it("is also served at its own paths, but missing files are not found", async () => {
    const feed = await startReadyFeed({ config: { page_dir: await makePage() } });
    expect(await (await fetch(`${feed.url}/devices/cold-1?tab=2`)).text()).toContain("Weir");
    for (const path of ["/assets/gone.js", "/favicon.ico", "/link.txt"]) {
      expect((await fetch(feed.url + path)).status, path).toBe(404);
    }
  });

  it.each([
    "/../secret.txt",
    "/assets/../../secret.txt",
    "/..%2fsecret.txt",
    "/%2e%2e/secret.txt",
    "/assets/..%5c..%5c..%5csecret.txt",
    "/%00",
    "/%",
    "//etc/passwd.txt",
    "/..;/secret.txt",
  ])("serves nothing outside its folder: %s", async (path) => {
    const feed = await startReadyFeed({ config: { page_dir: await makePage() } });
    const answer = await raw(feed.port, `GET ${path}`);
    expect(answer).not.toContain("secret\n");
    expect(answer).not.toMatch(/^secret$/m);
    expect(answer).toMatch(/^HTTP\/1.1 (404|200)/);
    if (answer.startsWith("HTTP/1.1 200")) expect(answer).toContain("<title>Weir</title>");
  });

  it("answers HEAD without a body and refuses other methods", async () => {
    const feed = await startReadyFeed({ config: { page_dir: await makePage() } });
    const head = await fetch(feed.url, { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(head.headers.get("content-length")).toBe("34");
    expect(await head.text()).toBe("");
    for (const path of ["/", "/api/v1/alerts", "/healthz"]) {
      const post = await fetch(feed.url + path, { method: "POST", body: "x" });
      expect(post.status).toBe(405);
      expect(post.headers.get("allow")).toBe("GET, HEAD");
      expect(await post.json()).toMatchObject({ status: 405, code: "method" });
    }
    expect((await fetch(`${feed.url}/feed`)).status).toBe(426);
  });

  it("answers 404 when it is not built", async () => {
    const feed = await startReadyFeed({ config: { page_dir: "/nowhere/at/all" } });
    const answer = await fetch(feed.url);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ code: "not-found" });
  });
});

describe("health", () => {
  it("is ready when every service is", async () => {
    let ready = true;
    const feed = await startReadyFeed({
      readiness: () => [{ name: "storage", health: { ready, detail: "disk full" } }],
    });
    expect(await (await fetch(`${feed.url}/healthz`)).json()).toEqual({ status: "ok" });
    const well = await fetch(`${feed.url}/readyz`);
    expect(well.status).toBe(200);
    expect(await well.json()).toEqual({
      ready: true,
      log: { ready: true, durability: "stored" },
      services: [
        { name: "storage", ready: true, detail: "disk full" },
        { name: "feed", ready: true, detail: "" },
      ],
    });
    ready = false;
    expect((await fetch(`${feed.url}/readyz`)).status).toBe(503);
  });

  it("is not ready without the log", async () => {
    const feed = await startReadyFeed();
    await feed.log.close();
    await until("noticed", () => !feed.feed.health().ready);
    const answer = await fetch(`${feed.url}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ ready: false, log: { ready: false } });
  });
});

describe("metrics", () => {
  it("cover this process and others that report, by instance", async () => {
    const feed = await startReadyFeed({ config: { instance: "feed-1" } });
    const histogram = {
      name: "weir_wait_seconds",
      help: "Waits.\nLong.",
      type: "histogram",
      values: [
        { metricName: "weir_wait_seconds_bucket", value: 1, labels: { le: "+Inf" } },
        { metricName: "weir_wait_seconds_sum", value: 0.5, labels: {} },
        { metricName: "weir_wait_seconds_count", value: 1, labels: {} },
      ],
    };
    const clients = { name: "weir_feed_clients", help: "", type: "gauge", values: [{ value: 99, labels: {} }] };
    publishRaw(feed.log.bus, "stats", "edge-1", { instance: "edge-1", atUs: 1, metrics: [histogram, clients] });
    publishRaw(feed.log.bus, "stats", "feed-1", { instance: "feed-1", atUs: 1, metrics: [clients] });
    await feed.connect();
    let text = "";
    await until("the report", async () => {
      text = await (await fetch(`${feed.url}/metrics`)).text();
      return text.includes('service="edge"');
    });
    const lines = text.split("\n");
    expect(lines).toContain('weir_feed_clients{service="feed",process="1"} 1');
    expect(lines).toContain('weir_feed_clients{service="edge",process="1"} 99');
    expect(lines).toContain('weir_wait_seconds_bucket{le="+Inf",service="edge",process="1"} 1');
    expect(lines).toContain("# HELP weir_wait_seconds Waits.\\nLong.");
    expect(lines.filter((line) => line.startsWith("# TYPE weir_feed_clients "))).toHaveLength(1);
    expect(text.endsWith("\n")).toBe(true);
    // Each line is a comment or a sample, and each sample appears once.
    const samples = lines.filter((line) => line !== "" && !line.startsWith("#"));
    for (const sample of samples) expect(sample).toMatch(/^[a-z_]+\{.*\} (-?[\d.e+-]+|NaN|[+-]Inf)$/);
    expect(new Set(samples.map((sample) => sample.split(" ")[0])).size).toBe(samples.length);
  });
});

describe("the API", () => {
  it("reports a store that does not answer, or fails", async () => {
    const feed = await startReadyFeed();
    const path = `${feed.url}/api/v1/series?device=a&metric=b`;
    const away = await fetch(path);
    expect(away.status).toBe(503);
    expect(await away.json()).toMatchObject({ code: "history-unavailable", title: "Service Unavailable" });
    respondRaw(feed.log.bus, "history.series", async () => {
      throw new Error("the disk is full");
    });
    const failing = await fetch(path);
    expect(failing.status).toBe(502);
    expect(await failing.json()).toMatchObject({ code: "history-failed", detail: "the disk is full" });
    expect((await fetch(`${feed.url}/api/v2/x`)).status).toBe(404);
  });

  it("lists open alerts from memory and past ones from the store", async () => {
    const feed = await startReadyFeed();
    await appendAlert(feed.log, alertChange({ id: "1", incident: "a", key: { device: "a" }, state: "pending" }));
    await appendAlert(feed.log, alertChange({ id: "2", incident: "b", key: { device: "b" } }));
    await appendAlert(feed.log, alertChange({ id: "3", incident: "c", key: { device: "c" } }));
    await appendAlert(feed.log, alertChange({ id: "4", incident: "c", key: { device: "c" }, state: "resolved" }));
    const list = async (query: string) => {
      const answer = (await (await fetch(`${feed.url}/api/v1/alerts${query}`)).json()) as { alerts: { id: string }[] };
      return answer.alerts.map(({ id }) => id);
    };
    await until("all", async () => (await list("")).join() === "2,1");
    expect(await list("?state=firing")).toEqual(["2"]);
    expect(await list("?state=open&device=a")).toEqual(["1"]);
    let asked: AlertsQuery | undefined;
    const past = [
      alertChange({ id: "9", state: "resolved", atUs: 1_763_773_000_000_000 }),
      alertChange({ id: "8", atUs: 1_763_772_000_000_000 }),
    ];
    respondRaw(feed.log.bus, "history.alerts", async (question) => {
      asked = question as AlertsQuery;
      return { changes: past, next: null };
    });
    expect(await list("?limit=5&to=1763773200000")).toEqual(["9", "8"]);
    expect(asked).toMatchObject({ fromUs: 1_763_686_800_000_000, toUs: 1_763_773_200_000_000 });
    expect(await list("?state=resolved")).toEqual(["9"]);
    expect(await list("?state=ended")).toEqual(["9"]);
  });

  it("lists devices of one name apart, and reaches all of them page by page, whatever the length of their names", async () => {
    const feed = await startReadyFeed();
    const long = "n".repeat(1_000);
    const tags = Array.from({ length: 6 }, (_, i) => ({ site: `${long}${i}`, [`tag-${i}`]: long }));
    await appendReadings(feed.log, [
      reading({ atUs: 1, device: "phone", tags: { user: "bert" } }),
      reading({ atUs: 1, device: "phone", tags: { user: "anna" } }),
      ...tags.map((each) => reading({ atUs: 1, device: long, tags: each })),
      reading({ atUs: 1, device: "phone", tags: {} }),
      reading({ atUs: 1, device: "phone-2", tags: {} }),
    ]);
    const listed: { device: string; tags: Record<string, string> }[] = [];
    for (let after = ""; ; ) {
      const answer = await fetch(`${feed.url}/api/v1/devices?limit=1&after=${encodeURIComponent(after)}`);
      expect(answer.status).toBe(200);
      const page = (await answer.json()) as { total: number; devices: typeof listed; next?: string };
      expect(page.total).toBe(10);
      listed.push(...page.devices);
      if (page.next === undefined) break;
      after = page.next;
    }
    expect(listed).toHaveLength(10);
    expect(
      listed
        .slice(0, 6)
        .map((each) => each.tags.site)
        .sort(),
    ).toEqual(tags.map(({ site }) => site));
    expect(listed.slice(6).map(({ device, tags: { user } }) => [device, user])).toEqual([
      ["phone", undefined],
      ["phone", "anna"],
      ["phone", "bert"],
      ["phone-2", undefined],
    ]);
  });

  it("lists devices by name, page by page", async () => {
    const feed = await startReadyFeed();
    for (const device of ["c", "a", "b"]) await appendReadings(feed.log, [reading({ atUs: 1, device })]);
    const get = async (query: string) => {
      const answer = await fetch(`${feed.url}/api/v1/devices${query}`);
      return (await answer.json()) as { total: number; devices: { device: string }[]; next?: string };
    };
    await until("all", async () => (await get("")).total === 3);
    const page = await get("?limit=2");
    expect(page).toMatchObject({ devices: [{ device: "a" }, { device: "b" }] });
    expect((await get("?device=a&device=c*")).devices.map(({ device }) => device)).toEqual(["a", "c"]);
    const after = encodeURIComponent(page.next ?? "");
    expect((await get(`?limit=2&after=${after}`)).devices.map(({ device }) => device)).toEqual(["c"]);
    expect(await get("?device=z*")).toEqual({ total: 0, devices: [] });
    // Its only reading arrived in 2025.
    const silentSinceUs = 1_763_769_900_000_000;
    expect((await get("?device=a")).devices).toMatchObject([{ silentFromUs: silentSinceUs, silentSinceUs }]);
  });

  it("returns the rules in force", async () => {
    const feed = await startReadyFeed();
    const get = async () => (await (await fetch(`${feed.url}/api/v1/rules`)).json()) as { version: string | null };
    expect(await get()).toEqual({ version: null, sequence: null, rules: [] });
    const rules = (version: string) => encodeRuleSet({ version, rulesJson: '[{"id":"cold-room-warm"}]' });
    await feed.log.append({ subject: "readings.0", payload: rules("v1") });
    await feed.log.append({ subject: "readings.0", payload: rules("v2") });
    await until("the newest", async () => (await get()).version === "v2");
    const newest = { version: "v2", sequence: 2, rules: [{ id: "cold-room-warm" }] };
    expect(await get()).toEqual(newest);
    await until("kept", async () => {
      const record = await feed.log.records.get("feed-rule-set");
      return new TextDecoder().decode(record?.value).includes("v2");
    });
    // A feed that starts later has the rules too, although their entry is far back in the log.
    for (let i = 0; i < 10; i++) await appendReadings(feed.log, [reading({ atUs: i })]);
    const later = await startReadyFeed({ log: feed.log, config: { history: { lookback_entries_max: 3 } } });
    await until("recalled", async () => {
      const answer = await fetch(`${later.url}/api/v1/rules`);
      return JSON.stringify(await answer.json()) === JSON.stringify(newest);
    });
  });

  it("lets listed pages read it, but not foreign names that resolve to this machine", async () => {
    const feed = await startReadyFeed({ config: { allowed_origins: ["https://ops.example"] } });
    const path = `${feed.url}/api/v1/devices`;
    const listed = await fetch(path, { headers: { origin: "https://ops.example" } });
    expect(listed.headers.get("access-control-allow-origin")).toBe("https://ops.example");
    const asked = await fetch(path, { method: "OPTIONS", headers: { origin: "https://ops.example" } });
    expect(asked.status).toBe(204);
    expect(asked.headers.get("access-control-allow-headers")).toContain("Authorization");
    const other = await fetch(path, { headers: { origin: "https://evil.example" } });
    expect(other.headers.get("access-control-allow-origin")).toBeNull();
    const socket = connect(feed.port, "127.0.0.1");
    socket.write("GET /api/v1/devices HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    let answer = "";
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(/^HTTP\/1.1 403/);
  });
});

describe("a port that is taken", () => {
  it("is an error that says how to choose another", async () => {
    const feed = await startReadyFeed();
    const second = startReadyFeed({ config: { port: feed.port } });
    await expect(second).rejects.toThrow(PortInUseError);
    await expect(second).rejects.toThrow(`127.0.0.1:${feed.port}`);
    await expect(second).rejects.toThrow("--http-port");
  });
});
