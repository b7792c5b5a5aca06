import { afterEach, beforeEach, expect, test } from "vitest";
import { type Sink, startSink } from "../testing/test-kit.ts";
import { post, retryAfterMs } from "./http.ts";

let sink: Sink;
beforeEach(async () => {
  sink = await startSink();
});
afterEach(() => sink.close());

function send(signal = AbortSignal.timeout(5_000)) {
  return post({ url: sink.url, headers: {}, body: "{}", signal, nowMs: () => 0 });
}

test.each([
  [200, "delivered"],
  [204, "delivered"],
  [301, "refused"],
  [400, "refused"],
  [401, "refused"],
  [404, "refused"],
  [408, "failed"],
  [410, "refused"],
  [425, "failed"],
  [429, "failed"],
  [500, "failed"],
  [503, "failed"],
])("%i is %s", async (status, kind) => {
  sink.answer = (_, response) => response.writeHead(status, { location: "http://127.0.0.1:1/else" }).end();
  expect((await send()).kind).toBe(kind);
  expect(sink.received).toHaveLength(1);
});

test("no answer, a broken connection and a closed port are retried", async () => {
  sink.answer = () => {};
  expect(await send(AbortSignal.timeout(50))).toMatchObject({
    kind: "failed",
    error: expect.stringMatching(/no answer in time/),
  });
  sink.answer = (_, response) => response.destroy();
  expect((await send()).kind).toBe("failed");
  await sink.close();
  expect((await send()).kind).toBe("failed");
  sink = await startSink();
});

test("reports the answer of the server, and not the path, which may be a secret", async () => {
  sink.answer = (_, response) => response.writeHead(400).end(`bad\n\n channel ${"x".repeat(100_000)}`);
  const outcome = await send();
  expect(outcome).toMatchObject({
    kind: "refused",
    error: expect.stringMatching(/answered 400 Bad Request: bad channel xxx/),
  });
  if (outcome.kind === "refused") {
    expect(outcome.error.length).toBeLessThan(300);
    expect(outcome.error).not.toContain("/hook");
  }
});

test.each([
  ["120", 120_000],
  ["Wed, 21 Oct 2015 07:28:00 GMT", 60_000],
  ["Wed, 21 Oct 2015 07:00:00 GMT", 0],
  ["soon", undefined],
  [null, undefined],
])("Retry-After %s", (text, ms) => {
  expect(retryAfterMs(text, Date.parse("Wed, 21 Oct 2015 07:27:00 GMT"))).toBe(ms);
});
