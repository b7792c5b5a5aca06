import { reasonOf } from "../domain/reason.ts";
import type { Environment } from "../platform/files/secret-values.ts";
import { type BridgeConfig, echoOf } from "./common/config.ts";
import type { Failure } from "./common/reasons.ts";
import { subscribeRefusal } from "./common/reasons.ts";
import { connectSettings, passwordOf, readTls } from "./connect-settings.ts";
import { type BrokerFacts, Connection, isFailure } from "./connection/connection.ts";
import { TopicMap } from "./topics/topic-map.ts";

export interface BridgeCheck {
  readonly ok: boolean;
  readonly detail: string;
}

const DISCONNECT_MS_MAX = 1_000;

/**
 * Connects to the outside broker as the bridge would, with another client id and a session of its own, subscribes, and
 * disconnects. The bridge that may be running is not disturbed. Publishes nothing, so that a topic of `out` may still be
 * refused.
 */
export async function checkBridge(config: BridgeConfig, environment: Environment): Promise<BridgeCheck> {
  const { url, version } = config;
  try {
    const secrets = { password: passwordOf(config, environment), tls: await readTls(config) };
    const first = version === "3.1.1" ? 4 : 5;
    let tried = await attempt(config, { ...secrets, version: first });
    if (tried.kind === "failed" && tried.failure.otherVersion && version === "auto") {
      tried = await attempt(config, { ...secrets, version: 4 });
    }
    if (tried.kind === "connected") return tried.check;
    const echo = tried.failure.otherVersion && version !== "5" ? echoOf(config) : undefined;
    return { ok: false, detail: `${url}: ${echo ?? tried.failure.text}` };
  } catch (error) {
    return { ok: false, detail: reasonOf(error) };
  }
}

type Tried =
  | { readonly kind: "connected"; readonly check: BridgeCheck }
  | { readonly kind: "failed"; readonly failure: Failure };

async function attempt(
  config: BridgeConfig,
  secrets: Pick<Parameters<typeof connectSettings>[1], "tls" | "password" | "version">,
): Promise<Tried> {
  const settings = connectSettings(config, secrets);
  let connection: Connection | undefined;
  const connected = new Promise<BrokerFacts>((resolve) => {
    connection = new Connection(
      { ...settings, clientId: `${settings.clientId}-doctor`, clean: true, sessionExpirySeconds: 0 },
      { onConnected: resolve, onIncoming() {}, onPuback() {} },
    );
    connection.start();
  });
  if (connection === undefined) throw new Error("no connection was made");
  const opened: Connection = connection;
  const first = await Promise.race([connected, opened.ended]);
  if ("kind" in first) return { kind: "failed", failure: first };
  const check = await subscribe(config, opened, first);
  await opened.disconnect(DISCONNECT_MS_MAX);
  return { kind: "connected", check };
}

async function subscribe(config: BridgeConfig, connection: Connection, facts: BrokerFacts): Promise<BridgeCheck> {
  const { url, share } = config;
  const { version } = connection;
  const speaks = `${url} answers, with MQTT ${version === 5 ? "5" : "3.1.1"}`;
  const plainly =
    share !== undefined && !facts.sharedAvailable ? "; it has no shared subscriptions: `share` is ignored" : "";
  const filters = new TopicMap(config.in.map((extra) => ({ from: extra.remote, to: extra.local, extra }))).filters();
  if (filters.length === 0) return { ok: true, detail: speaks };
  const codes = await connection.subscribe(
    filters.map(({ filter }) => ({ filter, qos: 1, noLocal: true, retainHandling: 2 })),
  );
  if (codes.length === 0) return { ok: false, detail: `${speaks}; then ${(await connection.ended).text}` };
  const refused = filters.flatMap(({ filter }, i) => {
    const code = codes[i] ?? 0x80;
    return isFailure(code) ? [`it refuses the subscription to ${filter}: ${subscribeRefusal(version, code)}`] : [];
  });
  return { ok: refused.length === 0, detail: [speaks, ...refused].join("\n") + plainly };
}
