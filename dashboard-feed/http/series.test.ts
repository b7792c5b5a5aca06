import { describe, expect, it } from "vitest";
import type { SeriesQuery } from "../../contracts/history.ts";
import type { Tags } from "../../domain/reading.ts";
import { respondRaw } from "../../platform/log/testing/raw-bus.ts";
import { startReadyFeed, tokenFor } from "../testing/test-kit.ts";

describe("the history of a series", () => {
  it("asks the store for a series", async () => {
    const feed = await startReadyFeed();
    const asked: unknown[] = [];
    const columns = { atUs: [1], min: [2], max: [3], avg: [2.5], count: [4] };
    respondRaw(feed.log.bus, "history.series", async (question) => {
      asked.push(question);
      return { kind: "found", tags: { site: "north" }, buckets: columns };
    });
    const query = "device=cold-1&metric=temperature&from=2025-11-22T00:00:00Z&to=1763773200000&points=10";
    const answer = await fetch(`${feed.url}/api/v1/series?${query}`);
    const question: SeriesQuery = {
      device: "cold-1",
      metric: "temperature",
      fromUs: 1_763_769_600_000_000,
      toUs: 1_763_773_200_000_000,
      pointsMax: 10,
    };
    expect(asked).toEqual([question]);
    const { pointsMax: _, ...about } = question;
    expect(await answer.json()).toEqual({
      ...about,
      tags: { site: "north" },
      downSampling: "min-max-avg",
      ...columns,
    });
    await fetch(`${feed.url}/api/v1/series?device=a&metric=b&from=1763769600000000&to=1763773200000000`);
    expect(asked[1]).toMatchObject({ fromUs: question.fromUs, toUs: question.toUs, pointsMax: 500 });
  });

  it("asks for the series with exactly the tags in the request", async () => {
    const feed = await startReadyFeed();
    const asked: SeriesQuery[] = [];
    respondRaw(feed.log.bus, "history.series", async (question) => {
      const query = question as SeriesQuery;
      asked.push(query);
      const buckets = { atUs: [], min: [], max: [], avg: [], count: [] };
      return { kind: "found", tags: query.tags ?? {}, buckets };
    });
    const path = `${feed.url}/api/v1/series?device=phone&metric=battery`;
    const query = new URLSearchParams({ "tags.user": "anna", "tags.from": "a=b &", "tags.": "x" });
    expect(await (await fetch(`${path}&${query}`)).json()).toMatchObject({
      tags: { user: "anna", from: "a=b &", "": "x" },
    });
    expect((await fetch(`${path}&tags=`)).status).toBe(200);
    expect((await fetch(path)).status).toBe(200);
    expect(asked.map(({ tags }) => tags)).toEqual([{ user: "anna", from: "a=b &", "": "x" }, {}, undefined]);
  });

  it("lists the series when several have the device and the metric, never a blend of them", async () => {
    const feed = await startReadyFeed();
    const candidates = [{}, { user: "anna" }, { user: "bert", "of age": "ü=1" }];
    respondRaw(feed.log.bus, "history.series", async () => ({ kind: "ambiguous", candidates, complete: true }));
    const answer = await fetch(`${feed.url}/api/v1/series?device=phone&metric=battery`);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      errors: [
        {
          parameter: "tags",
          detail:
            'several series have device "phone" and metric "battery"; add the tags of one of them: ' +
            "tags=, or tags.user=anna, or tags.user=bert&tags.of+age=%C3%BC%3D1",
        },
      ],
    });
  });

  it("asks the store for the states of a series", async () => {
    const feed = await startReadyFeed();
    const asked: unknown[] = [];
    const answer = {
      tags: { site: "b" },
      runs: [{ fromUs: 5, lastUs: 9, value: "open" }],
      complete: false,
      before: null,
    };
    respondRaw(feed.log.bus, "history.states", async (question) => {
      asked.push(question);
      return { kind: "found", ...answer };
    });
    const query = "device=valve-1&metric=mode&from=1763769600000&to=1763773200000&limit=7";
    const got = await fetch(`${feed.url}/api/v1/states?${query}&tags.site=b`);
    const about = { device: "valve-1", metric: "mode", fromUs: 1_763_769_600_000_000, toUs: 1_763_773_200_000_000 };
    expect(await got.json()).toEqual({ ...about, ...answer });
    expect(asked).toEqual([{ ...about, tags: { site: "b" }, limit: 7 }]);
    expect((await fetch(`${feed.url}/api/v1/states?${query}&points=5`)).status).toBe(400);
  });

  it("shows a token the series of its sites alone", async () => {
    const north = tokenFor({ name: "north", sites: ["north"] });
    const feed = await startReadyFeed({ config: { tokens: [north.config] } });
    const asked: unknown[] = [];
    let candidates: readonly Tags[] = [{ site: "south" }, { site: "north" }, {}];
    respondRaw(feed.log.bus, "history.series", async (question) => {
      const { tags } = question as SeriesQuery;
      asked.push(tags);
      if (tags === undefined) return { kind: "ambiguous", candidates, complete: true };
      return { kind: "found", tags, buckets: { atUs: [], min: [], max: [], avg: [], count: [] } };
    });
    const get = (query: string) =>
      fetch(`${feed.url}/api/v1/series?device=phone&metric=battery${query}`, {
        headers: { authorization: `Bearer ${north.secret}` },
      });
    expect(await (await get("")).json()).toMatchObject({ tags: { site: "north" } });
    expect(asked.splice(0)).toEqual([undefined, { site: "north" }]);
    expect((await get("&tags.site=south")).status).toBe(404);
    expect((await get("&tags=")).status).toBe(404);
    expect(asked.splice(0)).toEqual([]);
    candidates = [{ site: "south" }, {}];
    const none = await get("");
    expect(none.status).toBe(404);
    expect(await none.text()).not.toContain("south");
    candidates = [{ site: "south" }, { site: "north" }, { site: "north", room: "1" }];
    const two = await get("");
    expect(two.status).toBe(400);
    expect(await two.text()).not.toContain("south");
  });

  it.each([
    ["series?metric=a", "device"],
    ["series?device=a&metric=b&from=yesterday", "from"],
    ["series?device=a&metric=b&points=0", "points"],
    ["series?device=a&metric=b&from=1763773200000&to=1763769600000", "from"],
    ["series?device=a&device=b&metric=b", "device"],
    ["series?device=a&metric=b&color=red", "color"],
    ["alerts?state=angry", "state"],
    ["devices?limit=many", "limit"],
  ])("says what is wrong with %s", async (path, about) => {
    const feed = await startReadyFeed();
    const answer = await fetch(`${feed.url}/api/v1/${path}`);
    expect(answer.status).toBe(400);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(await answer.json()).toMatchObject({
      type: "urn:weir:problem:bad-request",
      title: "Bad Request",
      status: 400,
      detail: expect.stringContaining(about),
      errors: [{ parameter: expect.stringMatching(new RegExp(`${about}|query`)) }],
    });
  });
});
