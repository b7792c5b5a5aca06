import type { z } from "zod";
import type { OwnBroker } from "../../contracts/notifications.ts";
import type { Environment } from "../../platform/files/secret-values.ts";
import type { Target } from "./target.ts";
import type { TargetSettings } from "./target-settings.ts";

/** The dependencies of a target. */
export interface TargetContext {
  /** How errors name the target: `ops.webhook`. */
  readonly name: string;
  /** Where to look up secrets. */
  readonly environment: Environment;
  /** The address of Weir's page. */
  readonly externalUrl: string | undefined;
  readonly nowMs: () => number;
  /** Requests the address of Weir's own broker. Rejects if no broker answers. */
  readonly findOwnBroker: () => Promise<OwnBroker>;
}

/** Where a secret is, from `..._env` and `..._file`; neither if the setting is missing. */
export interface SecretPlace {
  readonly env?: string | undefined;
  readonly file?: string | undefined;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * One kind of target, declared once: `kinds.ts` lists the kinds, and the configuration, `weir doctor`, the documentation
 * and the conformance suite follow from the list.
 */
export interface TargetKind<Settings extends TargetSettings> {
  /** One sentence for the reference and for editors: "An HTTP request for each notification." */
  readonly doc: string;
  /** How receivers recognize a notification that arrives twice. */
  readonly recognizedBy: string;
  /**
   * Settings as people write them, without secrets. The conformance suite parses them; the documentation shows them.
   */
  readonly example: Readonly<Record<string, unknown>>;
  readonly schema: z.ZodType<Settings>;
  /** Every secret that the settings name. */
  secrets(settings: Settings): readonly SecretPlace[];
  /** Throws SecretError if a secret is missing or malformed. Does not connect to anything yet. */
  create(settings: Settings, context: TargetContext): Target;
  /** What `weir doctor` connects to. Throws SecretError if the address is a secret that is missing. */
  address(settings: Settings, context: TargetContext): Address | "own-broker";
}

const PORTS: Readonly<Record<string, number>> = {
  ...{ "http:": 80, "https:": 443, "ws:": 80, "wss:": 443, "mqtt:": 1883, "mqtts:": 8883 },
};

/** The host and port of a URL. */
export function addressIn(url: string): Address {
  const { protocol, hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? (PORTS[protocol] ?? 443) : Number(port) };
}
