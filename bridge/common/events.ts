import type { Logger } from "pino";
import type { Metrics } from "../../platform/metrics.ts";
import type { Failure } from "./reasons.ts";

export type DropReason = "loop" | "hops" | "topic" | "too-large" | "refused" | "damaged" | "expired";

const TOPIC_CHARACTERS_LOGGED = 300;

/** Logs and counts what bridges do, in one place. */
export function createBridgeEvents(logger: Logger, metrics: Metrics) {
  const { connected, messages, dropped, failures, waiting } = createFigures(metrics);
  const quietUntilMs = new Map<string, number>();
  const lastFailure = new Map<string, string>();

  /** One line a second of a kind is enough: the metrics count all. */
  function seldom(kind: string, act: () => void): void {
    const nowMs = performance.now();
    if (nowMs < (quietUntilMs.get(kind) ?? 0)) return;
    quietUntilMs.set(kind, nowMs + 1_000);
    act();
  }

  return {
    started: (bridge: string) => connected.set({ bridge }, 0),
    connected(bridge: string, url: string, version: string) {
      connected.set({ bridge }, 1);
      lastFailure.delete(bridge);
      logger.info({ bridge, url }, `bridge connected, with MQTT ${version}`);
    },
    olderVersion: (bridge: string, why: string) =>
      logger.info({ bridge }, `bridge tries MQTT 3.1.1, because with MQTT 5: ${why}`),
    disconnected(bridge: string, url: string, failure: Failure) {
      connected.set({ bridge }, 0);
      failures.inc({ bridge, reason: failure.kind });
      // It tries again for as long as it takes: the same words need not fill the log.
      const level = lastFailure.get(bridge) === failure.text ? "debug" : "warn";
      lastFailure.set(bridge, failure.text);
      logger[level]({ bridge, url }, `bridge is not connected: ${failure.text}; it tries again`);
    },
    standsBy: (bridge: string, member: string) =>
      logger.info({ bridge, member }, "another gateway of this log runs the bridge; this one takes over if it ends"),
    tookOver: (bridge: string) => logger.warn({ bridge }, "another gateway of this log has taken the bridge"),
    failed: (bridge: string, error: unknown) => logger.error({ bridge, err: error }, "bridge failed; it starts again"),
    subscriptionRefused: (bridge: string, filter: string, why: string) =>
      logger.error({ bridge, filter }, `the outside broker refuses the subscription to ${filter}: ${why}`),
    notShared: (bridge: string, share: string) =>
      logger.warn(
        { bridge, share },
        "the outside broker has no shared subscriptions: the bridge subscribes plainly, and gets every message",
      ),
    received: (bridge: string) => messages.inc({ bridge, direction: "in" }),
    sent: (bridge: string) => messages.inc({ bridge, direction: "out" }),
    waiting: (bridge: string, entries: number) => waiting.set({ bridge }, entries),
    dropped(bridge: string, reason: DropReason, { topic, why }: { readonly topic: string; readonly why: string }) {
      dropped.inc({ bridge, reason });
      seldom(`${bridge} ${reason}`, () => {
        logger.warn(
          { bridge, reason, topic: topic.slice(0, TOPIC_CHARACTERS_LOGGED) },
          `bridge dropped a message: ${why}`,
        );
      });
    },
    expired(bridge: string, entries: number) {
      dropped.inc({ bridge, reason: "expired" }, entries);
      logger.error(
        { bridge },
        `up to ${entries} entries were deleted before they could go out: the outside broker was away for longer than log.bridges in weir.yaml keeps them`,
      );
    },
  };
}

function createFigures(metrics: Metrics) {
  return {
    connected: metrics.gauge("weir_bridge_connected", "1 while the bridge is connected and subscribed, else 0.", [
      "bridge",
    ]),
    messages: metrics.counter(
      "weir_bridge_messages_total",
      "Messages that came in over a bridge and are kept, and messages that went out and are acknowledged.",
      ["bridge", "direction"],
    ),
    dropped: metrics.counter(
      "weir_bridge_dropped_total",
      "Messages that a bridge did not carry on: `loop`, `hops`, `topic`, `too-large`, `refused`, `damaged`, `expired`.",
      ["bridge", "reason"],
    ),
    failures: metrics.counter("weir_bridge_failures_total", "Connections that failed or ended, by the reason.", [
      "bridge",
      "reason",
    ]),
    waiting: metrics.gauge(
      "weir_bridge_waiting_entries",
      "Entries of the log that wait to go out; an entry holds one message or many.",
      ["bridge"],
    ),
  };
}

export type BridgeEvents = ReturnType<typeof createBridgeEvents>;
