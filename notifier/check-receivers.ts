import { createConnection } from "node:net";
import { type Environment, SecretError, secretValue } from "../platform/files/secret-values.ts";
import type { NotifierConfig } from "./config.ts";
import { problemsIn, type ReceiverTarget, receiverTargets, secretProblems } from "./receivers.ts";
import type { Address, TargetContext } from "./targets/target-kind.ts";

const CONNECT_MS = 3_000;

/** The result of one check of a target. If it failed, `detail` says how to fix it. */
export interface ReceiverFinding {
  /** `ops.webhook` */
  readonly target: string;
  readonly ok: boolean;
  readonly detail: string;
}

/**
 * For `weir doctor`: checks that the secrets of each target exist and that its host accepts connections. Sends
 * nothing.
 */
export async function checkReceivers(
  config: Pick<NotifierConfig, "receivers">,
  environment: Environment,
): Promise<ReceiverFinding[]> {
  const findings = await Promise.all(receiverTargets(config).map((target) => checkTarget(target, environment)));
  return findings.flat();
}

/** For a start: the problems with the targets' secrets. */
export function missingSecrets(config: Pick<NotifierConfig, "receivers">, environment: Environment): string[] {
  return receiverTargets(config).flatMap((target) => secretProblems(target, contextOf(target.name, environment)));
}

async function checkTarget(target: ReceiverTarget, environment: Environment): Promise<ReceiverFinding[]> {
  const { name, configured } = target;
  const context = contextOf(name, environment);
  const places = configured.secrets.filter(({ env, file }) => env !== undefined || file !== undefined);
  const problems = places.flatMap((place) => problemsIn(() => secretValue(name, place, environment)));
  if (problems.length === 0) problems.push(...secretProblems(target, context));
  const findings = problems.map((text): ReceiverFinding => ({ target: name, ok: false, detail: detailOf(name, text) }));
  const address = addressOf(target, context);
  if (address === undefined) return findings;
  const secrets = problems.length > 0 || places.length === 0 ? "" : `; ${secretsFound(places.length)}`;
  if (address === "own-broker") return [...findings, { target: name, ok: true, detail: `Weir's own broker${secrets}` }];
  const error = await connectError(address);
  const place = `${address.host}:${address.port}`;
  if (error !== undefined) return [...findings, { target: name, ok: false, detail: withAdvice(place, error) }];
  return [...findings, { target: name, ok: true, detail: `${place} accepts connections${secrets}` }];
}

function contextOf(name: string, environment: Environment): TargetContext {
  const findOwnBroker = () => Promise.reject(new Error("a check sends nothing"));
  return { name, environment, externalUrl: undefined, nowMs: () => 0, findOwnBroker };
}

/** Undefined if the address is a secret that is missing. */
function addressOf({ configured }: ReceiverTarget, context: TargetContext): Address | "own-broker" | undefined {
  try {
    return configured.address(context);
  } catch (error) {
    if (error instanceof SecretError) return undefined;
    throw error;
  }
}

/** Connects and hangs up. Resolves to the error, if any. */
function connectError({ host, port }: Address): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    const timer = setTimeout(() => finish(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })), CONNECT_MS);
    const finish = (error?: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(error);
    };
    socket.once("connect", () => finish());
    socket.on("error", finish);
  });
}

function withAdvice(place: string, { code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `${place}: the host name does not resolve; correct it in weir.yaml, or fix this machine's DNS`;
    case "ECONNREFUSED":
      return `${place}: nothing listens there; start the server, or correct the port in weir.yaml`;
    case "ETIMEDOUT":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `${place}: no answer; is the host running, and does a firewall block the connection?`;
    default:
      return `${place}: cannot connect: ${message}`;
  }
}

function detailOf(name: string, problem: string): string {
  return problem.startsWith(`${name}: `) ? problem.slice(name.length + 2) : problem;
}

function secretsFound(count: number): string {
  return count === 1 ? "its secret was found" : `its ${count} secrets were found`;
}
