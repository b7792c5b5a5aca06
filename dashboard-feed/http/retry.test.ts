import { expect, it } from "vitest";
import { encodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import { respondRaw } from "../../platform/log/testing/raw-bus.ts";
import { startReadyFeed, type TestFeed, tokenFor } from "../testing/test-kit.ts";

async function order(feed: TestFeed, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const answer = await fetch(`${feed.url}/api/v1/dead-letters/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

/** An ingest that gives every letter the same outcome and records the orders it gets. */
function listen(feed: TestFeed, outcome = "stored"): unknown[] {
  const asked: unknown[] = [];
  respondRaw(feed.log.bus, "dead-letters.retry", async (question) => {
    asked.push(question);
    return { results: [{ sequence: 7, outcome, detail: `it is ${outcome}` }], before: 9, next: 7 };
  });
  return asked;
}

it("orders the ingest to retry one letter, or the matching ones", async () => {
  const feed = await startReadyFeed();
  const asked = listen(feed);
  expect(await order(feed, "7/retry")).toEqual({
    status: 200,
    body: { sequence: 7, outcome: "stored", detail: "it is stored" },
  });
  const many = { reason: "bad-payload", topic: "a/*", before: 9, after: 2, limit: 5 };
  expect(await order(feed, "retry", { ...many, by: "ann" })).toMatchObject({ status: 200, body: { next: 7 } });
  await order(feed, "retry", {});
  expect(asked).toEqual([
    { by: "", sequences: [7] },
    { ...many, by: "ann" },
    { by: "", limit: 100 },
  ]);
});

it.each([
  ["not-found", 404, "unknown-letter"],
  ["not-retryable", 422, "not-retryable"],
])("says clearly that a letter is %s", async (outcome, status, code) => {
  const feed = await startReadyFeed();
  listen(feed, outcome);
  expect(await order(feed, "7/retry")).toMatchObject({ status, body: { code } });
});

it.each([
  ["x/retry", {}, 404],
  ["0/retry", {}, 404],
  ["7/retry", { colour: "red" }, 400],
  ["retry", { limit: 501 }, 400],
  ["retry", { reasons: ["x"] }, 400],
])("%s with %j does not reach the ingest", async (path, body, status) => {
  const feed = await startReadyFeed();
  const asked = listen(feed);
  expect((await order(feed, path, body)).status).toBe(status);
  expect(asked).toEqual([]);
});

it("says how to start the ingest when it does not answer, and passes on its refusal", async () => {
  const feed = await startReadyFeed();
  expect(await order(feed, "7/retry")).toMatchObject({ status: 503, body: { code: "ingest-unavailable" } });
  respondRaw(feed.log.bus, "dead-letters.retry", async () => {
    throw new Error("too many orders");
  });
  expect(await order(feed, "retry", {})).toMatchObject({ status: 422, body: { detail: "too many orders" } });
});

it("needs an admin's token, and refuses orders from other pages", async () => {
  const [reader, admin] = [tokenFor({ name: "reader" }), tokenFor({ name: "ops", admin: true })];
  const feed = await startReadyFeed({
    config: { tokens: [reader.config, admin.config], allowed_origins: ["https://ops.example"] },
  });
  const asked = listen(feed);
  const as = (secret: string) => ({ authorization: `Bearer ${secret}` });
  for (const path of ["7/retry", "retry"]) {
    expect((await order(feed, path, {})).status).toBe(401);
    expect((await order(feed, path, {}, as(reader.secret))).status).toBe(403);
    const elsewhere = { ...as(admin.secret), origin: "https://ops.example" };
    expect(await order(feed, path, {}, elsewhere)).toMatchObject({ status: 403, body: { code: "origin" } });
    expect((await order(feed, path, {}, { ...as(admin.secret), "content-type": "text/plain" })).status).toBe(415);
  }
  expect(asked).toEqual([]);
  expect((await order(feed, "7/retry", { by: "ann" }, as(admin.secret))).status).toBe(200);
  expect(asked).toEqual([{ by: "ann (ops)", sequences: [7] }]);
});

it("shows the outcome of a retry in the list and in the letter", async () => {
  const feed = await startReadyFeed();
  const letter = { detail: "", topic: "t", payload: Buffer.from("x"), clientId: "", receivedAtUs: 5 };
  for (const reason of ["bad-payload", "notification", "bad-payload"]) {
    await feed.log.append({ subject: `deadletters.${reason}`, payload: encodeDeadLetter({ reason, ...letter }) });
  }
  const retry = { outcome: "refused", by: "ann", atUs: 6, readings: 0, letter: 3 };
  const mark = { subject: "deadletters.retried.1", payload: Buffer.from(JSON.stringify(retry)) };
  await feed.log.append({ ...mark, expectLastSubjectSequence: 0 });
  const get = async (path: string) => (await fetch(`${feed.url}/api/v1/dead-letters${path}`)).json();
  expect(await get("")).toMatchObject({
    total: 3,
    reasons: { "bad-payload": 2, notification: 1 },
    letters: [
      { sequence: 3, retryable: true },
      { sequence: 2, retryable: false },
      { sequence: 1, retryable: false, retry },
    ],
  });
  expect(await get("/1")).toMatchObject({ sequence: 1, retryable: false, retry });
  expect(await get("/4")).toMatchObject({ status: 404 });
});
