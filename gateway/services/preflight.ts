import { access, constants } from "node:fs/promises";
import { createServer } from "node:net";
import { reasonOf } from "../../domain/reason.ts";
import { UserError } from "../../domain/user-error.ts";
import { PortInUseError } from "../../platform/errors.ts";
import { type Environment, secretValue } from "../../platform/files/secret-values.ts";
import type { Plan } from "../settings/plan.ts";
import type { ServiceName } from "./services.ts";

/** Something that the services need is missing; the message names everything. */
export class NotReadyToStartError extends UserError {
  override readonly name = "NotReadyToStartError";
}

/**
 * Checks what the services need from outside, before anything starts: secrets, files, ports. Without it, the last
 * service to start would be the first to miss one. Throws NotReadyToStartError with everything at once.
 */
export async function preflight(plan: Plan, services: readonly ServiceName[], environment: Environment): Promise<void> {
  const found = await Promise.all(services.map((name) => CHECKS[name](plan, environment)));
  const problems = found.flat();
  if (problems.length > 0) throw new NotReadyToStartError([...new Set(problems)].join("\n"));
}

/** By service: what is missing. The store's secrets are in the plan already. */
const CHECKS: Readonly<Record<ServiceName, (plan: Plan, environment: Environment) => Promise<readonly string[]>>> = {
  async edge({ broker, bridges }, environment) {
    const { bind: host, mqtt_port, ws_port, tls, users_file } = broker;
    const what = "the MQTT broker";
    return [
      ...(await bridgeProblems(bridges, environment)),
      ...(await unreadable("broker.users_file", users_file)),
      ...(await unreadable("broker.tls.cert_file", tls?.cert_file)),
      ...(await unreadable("broker.tls.key_file", tls?.key_file)),
      ...(await taken({ what, host, port: mqtt_port, setting: "--mqtt-port or WEIR_MQTT_PORT" })),
      ...(await taken({ what, host, port: ws_port, setting: "--mqtt-ws-port or WEIR_MQTT_WS_PORT" })),
      ...(await taken({ what, host, port: tls?.port, setting: "broker.tls.port in weir.yaml" })),
    ];
  },
  async feed({ feed }, environment) {
    const { bind: host, port } = feed;
    const setting = "--http-port or WEIR_HTTP_PORT";
    return [
      ...(feed.tokens === undefined ? [] : await problemOf(() => checkTokens(feed, environment))),
      ...(await taken({ what: "the page and the feed", host, port, setting })),
    ];
  },
  async notifier({ notifier }, environment) {
    if (Object.keys(notifier.receivers).length === 0) return [];
    // Loaded when needed: loading is most of a start.
    const { missingSecrets } = await import("../../notifier/check-receivers.ts");
    return missingSecrets(notifier, environment);
  },
  processors: async () => [],
  storage: async () => [],
};

async function bridgeProblems(bridges: Plan["bridges"], environment: Environment): Promise<readonly string[]> {
  const problems = bridges.map(async ({ name, password_env: env, password_file: file, tls }) => [
    ...(await problemOf(() => secretValue(`bridge ${name}: the password`, { env, file }, environment))),
    ...(await unreadable(`bridge ${name}: tls.ca_file`, tls.ca_file)),
    ...(await unreadable(`bridge ${name}: tls.cert_file`, tls.cert_file)),
    ...(await unreadable(`bridge ${name}: tls.key_file`, tls.key_file)),
  ]);
  return (await Promise.all(problems)).flat();
}

async function checkTokens(feed: Plan["feed"], environment: Environment): Promise<void> {
  const { createAccess } = await import("../../dashboard-feed/common/access.ts");
  createAccess(feed, environment);
}

async function problemOf(action: () => unknown): Promise<readonly string[]> {
  try {
    await action();
    return [];
  } catch (error) {
    if (error instanceof UserError) return [error.message];
    throw error;
  }
}

async function unreadable(setting: string, file: string | undefined): Promise<readonly string[]> {
  if (file === undefined) return [];
  try {
    await access(file, constants.R_OK);
    return [];
  } catch (error) {
    return [`${setting}: ${file} cannot be read: ${reasonOf(error)}`];
  }
}

type Listening = ConstructorParameters<typeof PortInUseError>[0];

async function taken({ port, ...listening }: Omit<Listening, "port"> & { readonly port: number | undefined }) {
  if (port === undefined || port === 0) return [];
  const { host } = listening;
  const isTaken = await new Promise<boolean>((resolve) => {
    const probe = createServer();
    // Any other error is for the service to report.
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "EADDRINUSE"));
    probe.listen({ host, port }, () => probe.close(() => resolve(false)));
  });
  return isTaken ? [new PortInUseError({ ...listening, port }).message] : [];
}
