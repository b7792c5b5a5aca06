import { z } from "zod";
import { UserError } from "../../domain/user-error.ts";
import { parseYaml } from "../../platform/files/yaml-file.ts";
import { type PasswordHash, parsePasswordHash } from "./password.ts";
import { patternFault, type TopicPatterns } from "./topic-permission.ts";

export interface User extends TopicPatterns {
  readonly name: string;
  readonly password: PasswordHash;
}

export interface Users {
  readonly byName: ReadonlyMap<string, User>;
  /** The rights of clients without a user name, if the broker accepts them. */
  readonly anonymous: TopicPatterns;
}

export const NO_USERS: Users = { byName: new Map(), anonymous: { publish: [], subscribe: [] } };

export type ParsedUsers =
  | { readonly kind: "users"; readonly users: Users }
  /** All faults, each as `file:line:column: what`. */
  | { readonly kind: "faults"; readonly faults: readonly string[] };

export class UsersFileError extends UserError {
  override readonly name = "UsersFileError";
}

const pattern = z.string().superRefine((text, context) => {
  const fault = patternFault(text);
  if (fault !== undefined) context.addIssue({ code: "custom", message: `topic pattern "${text}" ${fault}` });
});

/** Without a list a user may do nothing: permissions are always explicit. */
const patterns = {
  publish: z.array(pattern).default([]),
  subscribe: z.array(pattern).default([]),
};

const passwordHash = z.string().transform((text, context) => {
  const parsed = parsePasswordHash(text);
  if (parsed !== undefined) return parsed;
  // Omits the value: it may be a plain-text password.
  const params = { help: "make one with `weir passwd <user>` ($scrypt$ln=15,r=8,p=1$<salt>$<hash>)" };
  context.addIssue({ code: "custom", message: "the password is not a hash", params });
  return z.NEVER;
});

const userSchema = z.strictObject({
  name: z.string().regex(/^[^/+#${}\p{Cc}]+$/u, "a user name has no / + # $ { } or control characters"),
  password: passwordHash,
  ...patterns,
});

const usersSchema = z.array(userSchema).superRefine((users, context) => {
  const names = new Set<string>();
  for (const [i, { name }] of users.entries()) {
    if (names.has(name))
      context.addIssue({ code: "custom", path: [i, "name"], message: `user "${name}" is listed twice` });
    names.add(name);
  }
});

const fileSchema = z.strictObject({
  users: usersSchema,
  anonymous: z.strictObject(patterns).default({ publish: [], subscribe: [] }),
});

/** Parses the text of a users file; `file` only appears in messages. */
export function parseUsers(text: string, file: string): ParsedUsers {
  const parsed = parseYaml(text, file, fileSchema, { secrets: ["users.*.password"] });
  if (!parsed.ok) {
    const faults = parsed.problems.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`);
    return { kind: "faults", faults };
  }
  const { users, anonymous } = parsed.value;
  return { kind: "users", users: { byName: new Map(users.map((user) => [user.name, user])), anonymous } };
}
