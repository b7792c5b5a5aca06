import { expect, test } from "vitest";
import { startHttpTarget } from "../testing/http-target.ts";
import { describeTarget, SECRET, type TargetServer } from "../testing/target-conformance.ts";
import { notificationOf, targetOf } from "../testing/target-kit.ts";
import { startSink } from "../testing/test-kit.ts";

/** The address holds the secret, as those of chat rooms do, and so does a header. */
async function start(format: string): Promise<TargetServer> {
  return startHttpTarget((url) => ({
    settings: { url_env: "HOOK", format, headers_env: { authorization: "TOKEN" } },
    options: { environment: { HOOK: `${url}/${SECRET}`, TOKEN: `Bearer ${SECRET}` } },
  }));
}

describeTarget("webhook", { start: () => start("cloudevents") });

test.each(["slack", "teams"])("posts %s", async (format) => {
  const sink = await startSink();
  try {
    const target = targetOf("webhook", { url: sink.url, format });
    expect(await target.send(notificationOf(["d1"]), AbortSignal.timeout(10_000))).toEqual({ kind: "delivered" });
    expect(sink.received[0]?.headers["content-type"]).toBe("application/json");
    expect(sink.received[0]?.body).toContain("[FIRING] hot: d1 north");
  } finally {
    await sink.close();
  }
});
