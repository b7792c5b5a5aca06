import type { z } from "zod";
import type { OwnBroker } from "../../contracts/notifications.ts";
import type { Environment } from "../../platform/files/secret-values.ts";
import type { Target } from "./target.ts";
import type { TargetSettings } from "./target-settings.ts";

/** What a target gets from outside. */
export interface TargetContext {
  /** Names the target in errors: `ops.webhook`. */
  readonly name: string;
  /** Where secrets are found. */
  readonly environment: Environment;
  /** Where people open Weir's page. */
  readonly externalUrl: string | undefined;
  readonly nowMs: () => number;
  /** Asks for the address of Weir's own broker. Rejects when no broker answers. */
  readonly findOwnBroker: () => Promise<OwnBroker>;
}

/** Where a secret is, as `..._env` and `..._file` say; neither if the setting is left out. */
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
  /** Settings as people write them, without secrets. Conformance parses them; the documentation shows them. */
  readonly example: Readonly<Record<string, unknown>>;
  readonly schema: z.ZodType<Settings>;
  /** Every secret that the settings name. */
  secrets(settings: Settings): readonly SecretPlace[];
  /** Throws SecretError when a secret is missing or has the wrong form. Connects to nothing yet. */
  create(settings: Settings, context: TargetContext): Target;
  /** What `weir doctor` connects to. Throws SecretError when the address is a secret that is missing. */
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
