import { type Environment, secretValue } from "../../platform/files/secret-values.ts";
import type { Outcome, Target } from "./target.ts";
import type { SecretPlace } from "./target-kind.ts";

/** Shorter texts match by chance. */
const SECRET_CHARACTERS_MIN = 4;
const BLANK = "[secret]";

/** The texts of secrets that must not appear in logs, dead letters or deliveries. Throws SecretError. */
export function secretTexts(name: string, places: readonly SecretPlace[], environment: Environment): string[] {
  const texts = places.flatMap((place) => {
    const value = secretValue(name, place, environment);
    if (value === undefined) return [];
    // The path of an address is its secret part; a signing secret may be several keys.
    const path = URL.canParse(value) ? [new URL(value).pathname + new URL(value).search] : [];
    return [value, ...value.split(/\s+/), ...path];
  });
  return texts.filter((text) => text.length >= SECRET_CHARACTERS_MIN).sort((a, b) => b.length - a.length);
}

/** Wraps a target and blanks secrets in its reports: a server may echo a header or an address in its answer. */
export function withoutSecrets(target: Target, secrets: readonly string[]): Target {
  if (secrets.length === 0) return target;
  const clean = (outcome: Outcome): Outcome => {
    if (outcome.kind !== "delivered") return { ...outcome, error: blanked(outcome.error, secrets) };
    return outcome.note === undefined ? outcome : { ...outcome, note: blanked(outcome.note, secrets) };
  };
  const { keepAlive } = target;
  return {
    send: async (notification, signal) => clean(await target.send(notification, signal)),
    ...(keepAlive && {
      keepAlive: {
        everyMs: keepAlive.everyMs,
        send: async (firing, signal) => clean(await keepAlive.send(firing, signal)),
      },
    }),
    close: () => target.close(),
  };
}

function blanked(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => {
    const without = rest.replaceAll(secret, BLANK);
    // A long answer is truncated, perhaps within a secret.
    for (let length = secret.length - 1; length >= SECRET_CHARACTERS_MIN; length--) {
      if (without.endsWith(secret.slice(0, length))) return `${without.slice(0, -length)}${BLANK}`;
    }
    return without;
  }, text);
}
