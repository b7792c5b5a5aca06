import type { Behaviour, TargetServer } from "./target-conformance.ts";
import { type Received, startSink } from "./test-kit.ts";

const STATUS = { accept: 204, fail: 503, refuse: 400 } as const;

/** An HTTP server for the conformance suite. Its refusals repeat the request's path and headers, including secrets. */
export async function startHttpTarget(
  describe: (url: string) => Pick<TargetServer, "settings" | "options">,
): Promise<TargetServer> {
  const sink = await startSink();
  const accepted: Received[] = [];
  let behaviour: Behaviour = "accept";
  sink.answer = (received, response) => {
    if (behaviour === "hang") return;
    if (behaviour === "accept") accepted.push(received);
    const echo = behaviour === "accept" ? "" : `${received.headers.authorization} ${received.path} is not welcome`;
    response.writeHead(STATUS[behaviour]).end(echo);
  };
  return {
    ...describe(new URL(sink.url).origin),
    received: () => accepted.map(({ body }) => body),
    behave(next) {
      behaviour = next;
    },
    stop: () => sink.close(),
  };
}
