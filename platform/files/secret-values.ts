import { readFileSync } from "node:fs";
import { z } from "zod";
import { reasonOf } from "../../domain/reason.ts";
import { UserError } from "../../domain/user-error.ts";

/** A secret that is missing or cannot be used; the message says where Weir looked for it. */
export class SecretError extends UserError {
  override readonly name = "SecretError";
}

const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be the name of an environment variable")
  .refine((name) => !name.startsWith("WEIR_"), {
    error: "must not begin with WEIR_: those are Weir's own settings, and others of that kind are refused",
  });

/** A key `..._env`. A configuration file names the place of a secret and never holds the secret. */
export function secretEnv(what: string) {
  return variable.optional().describe(`The environment variable that holds ${what}.`);
}

/** A key `..._file`. */
export function secretFile(what: string) {
  return z.string().min(1).optional().describe(`The file that holds ${what}; white space around it is ignored.`);
}

/** The keys of a map (such as names of headers), with the environment variables that hold their values. */
export function secretEnvMap(key: z.ZodString) {
  return z.record(key, variable).default({});
}

/** The address of a server. Credentials in it are refused: `instead` names the keys for them. */
export function addressSchema(options: {
  readonly protocols: readonly string[];
  readonly example: string;
  readonly instead: string;
}) {
  const { protocols, example, instead } = options;
  const error = `must be an address like ${example}`;
  return z
    .string({ error })
    .refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol.slice(0, -1)), { error })
    .refine((text) => !hasCredentials(text), { error: `must not hold a user name or password; use ${instead}` });
}

function hasCredentials(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username !== "" || password !== "";
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The text of a secret, from the one place that is given; undefined without a place. Throws SecretError. */
export function secretValue(
  what: string,
  place: { readonly env?: string | undefined; readonly file?: string | undefined },
  environment: Environment,
): string | undefined {
  const { env, file } = place;
  if (env !== undefined) {
    const value = environment[env]?.trim();
    if (!value) throw new SecretError(`${what}: the environment variable ${env} is not set; set it before the start`);
    return value;
  }
  if (file === undefined) return undefined;
  let value: string;
  try {
    value = readFileSync(file, "utf8").trim();
  } catch (error) {
    const reason = reasonOf(error);
    throw new SecretError(`${what}: cannot read the secret's file ${file}: ${reason}`, { cause: error });
  }
  if (value === "") throw new SecretError(`${what}: the secret's file ${file} is empty`);
  return value;
}
