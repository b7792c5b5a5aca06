import { readFile } from "node:fs/promises";
import { reasonOf } from "../domain/reason.ts";
import { US_PER_SECOND } from "../domain/time.ts";
import { type Environment, secretValue } from "../platform/files/secret-values.ts";
import { type BridgeConfig, clientIdOf, echoOf } from "./common/config.ts";
import type { ConnectSettings } from "./connection/connection.ts";
import { IN_FLIGHT_MAX } from "./connection/incoming.ts";
import type { TlsSecrets } from "./connection/open-stream.ts";

/** What the CONNECT of a bridge says. */
export function connectSettings(
  config: BridgeConfig,
  secrets: { readonly version: 4 | 5; readonly tls: TlsSecrets; readonly password: string | undefined },
): ConnectSettings {
  const { url, username, keep_alive, session_expiry } = config;
  const { version } = secrets;
  const keepsSession = config.in.length > 0;
  return {
    ...secrets,
    url,
    bridgeMode: version === 4 && echoOf(config) !== undefined,
    clientId: clientIdOf(config),
    username,
    clean: !keepsSession,
    keepAliveSeconds: Math.round(keep_alive / US_PER_SECOND),
    sessionExpirySeconds: keepsSession ? Math.round(session_expiry / US_PER_SECOND) : 0,
    receiveMaximum: IN_FLIGHT_MAX,
  };
}

/** Throws SecretError without it. */
export function passwordOf({ name, password_env, password_file }: BridgeConfig, environment: Environment) {
  const place = { env: password_env, file: password_file };
  return secretValue(`bridge ${name}: the password`, place, environment);
}

/** Read at each connection: certificates are replaced before they expire. Throws when a file cannot be read. */
export async function readTls({ url, tls }: BridgeConfig): Promise<TlsSecrets> {
  if (!/^(mqtts|wss):/.test(url)) return {};
  const read = async (key: "ca_file" | "cert_file" | "key_file"): Promise<Buffer | undefined> => {
    const file = tls[key];
    if (file === undefined) return undefined;
    try {
      return await readFile(file);
    } catch (error) {
      throw new Error(`tls.${key} cannot be read: ${reasonOf(error)}`);
    }
  };
  const [ca, cert, key] = await Promise.all([read("ca_file"), read("cert_file"), read("key_file")]);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.server_name === undefined ? {} : { servername: tls.server_name }),
  };
}
