import { describe, expect, it } from "vitest";
import type { AlertsQuery } from "../../contracts/history.ts";
import { respondRaw } from "../../platform/log/testing/raw-bus.ts";
import { alertChange, appendAlert, appendReadings, reading, startReadyFeed, until } from "../testing/test-kit.ts";

describe("a long answer", () => {
  it("lists incidents page by page, even when many change at one instant", async () => {
    const feed = await startReadyFeed();
    const instant = 1_763_769_600_000_000;
    const stored = [
      ...Array.from({ length: 700 }, (_, i) => alertChange({ id: `storm-${i}`, atUs: instant, state: "resolved" })),
      ...Array.from({ length: 40 }, (_, i) => alertChange({ id: `later-${i}`, atUs: instant + 1 + (i >> 1) })),
      ...Array.from({ length: 40 }, (_, i) => alertChange({ id: `earlier-${i}`, atUs: instant - 1 - i })),
    ];
    const order = [...stored].sort((a, b) => b.atUs - a.atUs || (a.id < b.id ? 1 : -1));
    // The store's pages may be shorter than requested.
    respondRaw(feed.log.bus, "history.alerts", async (question) => {
      const { fromUs, toUs, limit, after } = question as AlertsQuery;
      const first = after === undefined ? 0 : order.findIndex(({ id }) => id === after.id) + 1;
      const found = order.slice(first).filter(({ atUs }) => atUs >= fromUs && atUs < toUs);
      const changes = found.slice(0, Math.min(limit, 70));
      const { atUs = 0, id = "" } = changes.at(-1) ?? {};
      return { changes, next: changes.length < found.length ? { atUs, id } : null };
    });
    const pages = async (query: string) => {
      const ids: string[] = [];
      const sizes: number[] = [];
      for (let after: string | undefined = ""; after !== undefined; ) {
        const more = after === "" ? "" : `&after=${after}`;
        const answer = await fetch(`${feed.url}/api/v1/alerts?${query}&to=1763773200000${more}`);
        const page = (await answer.json()) as { alerts: { id: string }[]; next?: string };
        ids.push(...page.alerts.map(({ id }) => id));
        sizes.push(page.alerts.length);
        after = page.next;
      }
      return { ids, sizes };
    };
    const all = await pages("state=all&limit=150");
    expect(all.sizes).toEqual([150, 150, 150, 150, 150, 30]);
    expect(new Set(all.ids).size).toBe(780);
    expect(all.ids).toEqual(order.map(({ id }) => id));
    const ended = await pages("state=ended&limit=333");
    expect(ended.sizes).toEqual([333, 333, 34]);
    expect(new Set(ended.ids)).toEqual(new Set(stored.filter(({ state }) => state === "resolved").map(({ id }) => id)));
    const bad = await fetch(`${feed.url}/api/v1/alerts?after=past.AAAA`);
    expect(await bad.json()).toMatchObject({ status: 400, errors: [{ parameter: "after" }] });

    for (let i = 0; i < 5; i++)
      await appendAlert(feed.log, alertChange({ id: `o${i}`, key: { device: `d${i}` }, incident: `i${i}` }));
    const open = await (await fetch(`${feed.url}/api/v1/alerts?state=open&limit=3`)).json();
    expect(open).toMatchObject({ alerts: [{ id: "o4" }, { id: "o3" }, { id: "o2" }] });
    const { next } = open as { next: string };
    const rest = await (await fetch(`${feed.url}/api/v1/alerts?state=open&limit=3&after=${next}`)).json();
    expect(rest).toEqual({ alerts: [expect.objectContaining({ id: "o1" }), expect.objectContaining({ id: "o0" })] });
  });

  it("is compressed when it is long, and not sent again when it has not changed", async () => {
    const feed = await startReadyFeed();
    for (let i = 0; i < 30; i++) await appendReadings(feed.log, [reading({ atUs: 1, device: `device-${i}` })]);
    const path = `${feed.url}/api/v1/devices`;
    await until("all", async () => ((await (await fetch(path)).json()) as { total: number }).total === 30);
    const first = await fetch(path);
    const etag = first.headers.get("etag") ?? "";
    expect(first.headers.get("content-encoding")).toBe("gzip");
    expect(first.headers.get("vary")).toContain("Authorization");
    expect(((await first.json()) as { devices: unknown[] }).devices).toHaveLength(30);
    const plain = await fetch(path, { headers: { "accept-encoding": "gzip;q=0" } });
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(plain.headers.get("etag")).toBe(etag);
    expect(Number(first.headers.get("content-length"))).toBeLessThan((await plain.text()).length / 4);
    const again = await fetch(path, { headers: { "if-none-match": etag } });
    expect(again.status).toBe(304);
    await appendReadings(feed.log, [reading({ atUs: 2, device: "device-1" })]);
    await until("changed", async () => (await fetch(path, { headers: { "if-none-match": etag } })).status === 200);
    const head = await fetch(path, { method: "HEAD" });
    expect(await head.text()).toBe("");
  });
});
