import { readFileSync } from "node:fs";
import { z } from "zod";
import { reasonOf } from "../../domain/reason.ts";
import { UserError } from "../../platform/errors.ts";

/** A secret that is missing or cannot be used; says where it was looked for. */
export class SecretError extends UserError {
  override readonly name = "SecretError";
}

/** Where secrets stand; never in the configuration's text. */
export const secretTextSchema = {
  env: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be the name of an environment variable")
    .refine((name) => !name.startsWith("WEIR_"), {
      error: "must not begin with WEIR_: those are Weir's own settings, and others of that kind are refused",
    })
    .describe("The name of the environment variable that holds it."),
  file: z.string().min(1).describe("The file that holds it; white space around it is left out."),
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** The text of a secret, from the one place that is given; undefined when none is. Throws SecretError. */
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
