import { z } from "zod";
import {
  addressSchema,
  SecretError,
  secretEnv,
  secretEnvMap,
  secretFile,
  secretValue,
} from "../../platform/files/secret-values.ts";
import type { SecretPlace, TargetContext } from "./target-kind.ts";

/** Settings of every target over HTTP: an address, and headers that carry secrets. */

const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "is not the name of a header");

/** Headers that carry credentials. */
const SECRET_HEADERS = new Set(["authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"]);

export const headersSchema = z
  .record(headerName, z.string())
  .default({})
  .superRefine((given, context) => {
    for (const header of Object.keys(given).filter((each) => SECRET_HEADERS.has(each.toLowerCase()))) {
      const message = "is a secret; give the name of an environment variable under headers_env instead";
      context.addIssue({ code: "custom", path: [header], message });
    }
  })
  .describe("Headers sent with each notification.");

/** Chat services that let anyone with the address post. */
const SECRET_HOSTS = /^(?:hooks\.slack\.com|discord(?:app)?\.com|.*\.webhook\.office\.com|.*\.logic\.azure\.com)$/;

export const HTTP_SETTINGS = {
  url: addressSchema({
    protocols: ["http", "https"],
    example: "https://example.org/hook",
    instead: "url_env or url_file for the whole address, or headers_env for an Authorization header",
  })
    .refine((url) => !URL.canParse(url) || !SECRET_HOSTS.test(new URL(url).hostname), {
      error: "is a secret: everyone who knows this address can post to it; use url_env or url_file",
    })
    .optional()
    .describe("Where to post. Give exactly one of `url`, `url_env` and `url_file`."),
  url_env: secretEnv("the address, if it is a secret (as for chat rooms)"),
  url_file: secretFile("the address"),
  headers_env: secretEnvMap(headerName).describe(
    "Headers whose values are secrets, by the environment variables that hold them.",
  ),
};

export interface HttpSettings {
  readonly url?: string | undefined;
  readonly url_env?: string | undefined;
  readonly url_file?: string | undefined;
  readonly headers_env: Readonly<Record<string, string>>;
}

/** Requires exactly one of `url`, `url_env` and `url_file`. */
export function withOneAddress<T extends z.ZodType<HttpSettings>>(schema: T): T {
  return schema.refine(
    ({ url, url_env, url_file }) => [url, url_env, url_file].filter((each) => each !== undefined).length === 1,
    { error: "give exactly one of url, url_env (the name of an environment variable) and url_file" },
  );
}

export function httpSecrets({ url_env, url_file, headers_env }: HttpSettings): SecretPlace[] {
  return [{ env: url_env, file: url_file }, ...Object.values(headers_env).map((env) => ({ env }))];
}

/** The address from the configuration, the environment or a file. Throws SecretError. */
export function urlOf({ url, url_env, url_file }: HttpSettings, context: TargetContext): string {
  const { name, environment } = context;
  const found = url ?? secretValue(`${name}: address`, { env: url_env, file: url_file }, environment);
  if (found !== undefined && URL.canParse(found) && /^https?:/.test(found)) return found;
  const place = url_env === undefined ? url_file : `the environment variable ${url_env}`;
  throw new SecretError(`${name}: ${place} must hold an address like https://example.org/hook`);
}

/** Throws SecretError. */
export function secretHeadersOf({ headers_env }: HttpSettings, context: TargetContext): Record<string, string> {
  const { name, environment } = context;
  return Object.fromEntries(
    Object.entries(headers_env).map(([header, env]) => [
      header,
      secretValue(`${name}: ${header}`, { env }, environment) ?? "",
    ]),
  );
}
