import { createConnection } from "node:net";
import { type Environment, SecretError, secretValue } from "../platform/files/secret-values.ts";
import { type NotifierConfig, type TargetConfig, targetNames } from "./common/config.ts";
import { createTarget, type TargetOptions } from "./targets/create.ts";
import { addressOf } from "./targets/webhook.ts";

const REACH_MS = 3_000;

/** One thing that was looked at of a receiver's target; `detail` of a wrong one says how to mend it. */
export interface ReceiverFinding {
  /** `ops.webhook` */
  readonly target: string;
  readonly ok: boolean;
  readonly detail: string;
}

/**
 * Looks whether the secrets of each target are there, and whether its host takes connections. Nothing is sent: nobody is
 * told anything by this.
 */
export async function checkReceivers(
  { receivers }: Pick<NotifierConfig, "receivers">,
  environment: Environment,
): Promise<ReceiverFinding[]> {
  const targets = Object.entries(receivers).flatMap(([receiver, list]) => {
    const names = targetNames(list);
    return list.map((config, i) => ({ config, name: `${receiver}.${names[i]}` }));
  });
  const findings = await Promise.all(targets.map(({ config, name }) => checkTarget(config, name, environment)));
  return findings.flat();
}

async function checkTarget(config: TargetConfig, name: string, environment: Environment): Promise<ReceiverFinding[]> {
  const places = placesOf(config);
  const problems = places.flatMap((place) => problemOf(() => secretValue(name, place, environment)));
  if (problems.length === 0) problems.push(...(await shapeProblems(config, optionsOf(name, environment))));
  const findings = problems.map(
    (detail): ReceiverFinding => ({ target: name, ok: false, detail: within(name, detail) }),
  );
  const address = addressIn(config, optionsOf(name, environment));
  if (address === undefined) return findings;
  const secrets = problems.length > 0 || places.length === 0 ? "" : `; ${secretsThere(places.length)}`;
  if (address === "own") return [...findings, { target: name, ok: true, detail: `Weir's own broker${secrets}` }];
  const error = await reach(address);
  const place = `${address.host}:${address.port}`;
  if (error !== undefined) return [...findings, { target: name, ok: false, detail: mended(place, error) }];
  return [...findings, { target: name, ok: true, detail: `${place} can be reached${secrets}` }];
}

interface SecretPlace {
  readonly env?: string;
  readonly file?: string;
}

/** Where the secrets of a target stand: what the configuration calls `..._env` and `..._file`. */
function placesOf(config: TargetConfig): SecretPlace[] {
  const fields = Object.entries(config.webhook ?? config.mqtt ?? config.email ?? config.alertmanager ?? {});
  return fields.flatMap(([field, value]): SecretPlace[] => {
    if (field === "headers_env") return Object.values(value ?? {}).map((env) => ({ env: String(env) }));
    if (typeof value !== "string") return [];
    if (field.endsWith("_env")) return [{ env: value }];
    return field.endsWith("_file") ? [{ file: value }] : [];
  });
}

/** Secrets that are there, and are not what they must be. */
async function shapeProblems(config: TargetConfig, options: TargetOptions): Promise<string[]> {
  try {
    await createTarget(config, options).target.close();
    return [];
  } catch (error) {
    if (error instanceof SecretError) return [error.message];
    throw error;
  }
}

function problemOf(look: () => unknown): string[] {
  try {
    look();
    return [];
  } catch (error) {
    if (error instanceof SecretError) return [error.message];
    throw error;
  }
}

function optionsOf(name: string, environment: Environment): TargetOptions {
  const findOwnBroker = () => Promise.reject(new Error("nothing is sent"));
  return { name, environment, externalUrl: undefined, nowMs: () => 0, findOwnBroker };
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Undefined where the address is a secret that is not there. */
function addressIn(config: TargetConfig, options: TargetOptions): Address | "own" | undefined {
  const { webhook, mqtt, email, alertmanager } = config;
  if (email !== undefined) return { host: email.host, port: email.port ?? (email.tls === "implicit" ? 465 : 587) };
  if (mqtt !== undefined) return mqtt.url === undefined ? "own" : partsOf(mqtt.url);
  const http = webhook ?? alertmanager;
  if (http === undefined) return undefined;
  try {
    return partsOf(addressOf(http, options));
  } catch (error) {
    if (error instanceof SecretError) return undefined;
    throw error;
  }
}

const PORTS: Readonly<Record<string, number>> = {
  ...{ "http:": 80, "https:": 443, "ws:": 80, "wss:": 443, "mqtt:": 1883, "mqtts:": 8883 },
};

function partsOf(url: string): Address {
  const { protocol, hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? (PORTS[protocol] ?? 443) : Number(port) };
}

/** Connects and hangs up. Resolves to what went wrong. */
function reach({ host, port }: Address): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    const timer = setTimeout(() => settle(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })), REACH_MS);
    const settle = (error?: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(error);
    };
    socket.once("connect", () => settle());
    socket.on("error", settle);
  });
}

function mended(place: string, { code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `${place}: nobody knows a host of this name; mend it in weir.yaml, or this machine's DNS`;
    case "ECONNREFUSED":
      return `${place}: nothing listens there; start it, or mend the port in weir.yaml`;
    case "ETIMEDOUT":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `${place}: no answer; is it switched on, and does a firewall let this machine through?`;
    default:
      return `${place} cannot be reached: ${message}`;
  }
}

function within(name: string, detail: string): string {
  return detail.startsWith(`${name}: `) ? detail.slice(name.length + 2) : detail;
}

function secretsThere(count: number): string {
  return count === 1 ? "its secret is there" : `its ${count} secrets are there`;
}
