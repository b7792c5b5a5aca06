import { createHmac } from "node:crypto";
import { SecretError } from "../../platform/files/secret-values.ts";

const PREFIX = "whsec_";
const KEY_BYTES_MIN = 24;
const KEY_BYTES_MAX = 64;

/**
 * The keys in a secret of Standard Webhooks: `whsec_` and base64. With several keys, separated by white space, each
 * one signs, so that a secret can be rotated. Throws SecretError.
 */
export function signingKeys(name: string, text: string): Buffer[] {
  return text.split(/\s+/).map((part) => {
    const base64 = part.startsWith(PREFIX) ? part.slice(PREFIX.length) : part;
    const key = Buffer.from(base64, "base64");
    const complete = key.toString("base64").replace(/=+$/, "") === base64.replace(/=+$/, "");
    if (complete && key.length >= KEY_BYTES_MIN && key.length <= KEY_BYTES_MAX) return key;
    throw new SecretError(
      `${name}: the signing secret must be whsec_ and the base64 of 24 to 64 bytes; make one with: echo whsec_$(openssl rand -base64 32)`,
    );
  });
}

/** The three headers of https://www.standardwebhooks.com for one attempt; without a key, no signature. */
export function webhookHeaders(options: {
  readonly id: string;
  readonly sentAtSeconds: number;
  readonly body: string;
  readonly keys: readonly Buffer[];
}): Record<string, string> {
  const { id, sentAtSeconds, body, keys } = options;
  const timestamp = String(Math.floor(sentAtSeconds));
  const signatures = keys.map(
    (key) => `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`,
  );
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    ...(signatures.length > 0 ? { "webhook-signature": signatures.join(" ") } : {}),
  };
}
