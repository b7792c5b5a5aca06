import { isMap, isNode, isPair, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import { z } from "zod";
import { UserError } from "../../domain/user-error.ts";
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
  const message = "is not a password hash; `weir passwd` makes one ($scrypt$ln=15,r=8,p=1$<salt>$<hash>)";
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

const userSchema = z.strictObject({
  name: z.string().regex(/^[^/+#${}\p{Cc}]+$/u, "a user name has no / + # $ { } or control characters"),
  password: passwordHash,
  ...patterns,
});

const fileSchema = z.strictObject({
  users: z.array(userSchema),
  anonymous: z.strictObject(patterns).default({ publish: [], subscribe: [] }),
});

/** Parses the text of a users file; `file` only appears in messages. */
export function parseUsers(text: string, file: string): ParsedUsers {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number, message: string) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}: ${message}`;
  };
  if (document.errors.length > 0) {
    const faults = document.errors.map((error) => at(error.pos[0], error.message.split("\n")[0] ?? error.code));
    return { kind: "faults", faults };
  }
  const parsed = fileSchema.safeParse(document.toJS());
  if (!parsed.success) {
    const faults = parsed.error.issues.flatMap((issue) => {
      const path = issue.path.filter((part) => typeof part !== "symbol");
      const where = path.length > 0 ? `${pathText(path)}: ` : "";
      if (issue.code !== "unrecognized_keys") return [at(offsetOf(document.contents, path), where + issue.message)];
      return issue.keys.map((key) =>
        at(offsetOf(document.contents, [...path, key], true), `${where}unknown key "${key}"`),
      );
    });
    return { kind: "faults", faults };
  }
  const { users, anonymous } = parsed.data;
  const byName = new Map<string, User>();
  const faults: string[] = [];
  for (const [index, user] of users.entries()) {
    if (byName.has(user.name)) {
      faults.push(at(offsetOf(document.contents, ["users", index, "name"]), `user "${user.name}" is listed twice`));
    }
    byName.set(user.name, user);
  }
  return faults.length > 0 ? { kind: "faults", faults } : { kind: "users", users: { byName, anonymous } };
}

function pathText(path: readonly (string | number)[]): string {
  return path.map((part, index) => (typeof part === "number" ? `[${part}]` : index > 0 ? `.${part}` : part)).join("");
}

/** The offset of a value or its key; if missing, that of the nearest enclosing node. */
function offsetOf(root: Node | null, path: readonly (string | number)[], ofKey = false): number {
  let offset = root?.range?.[0] ?? 0;
  let node: unknown = root;
  for (const [index, part] of path.entries()) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === part);
      next = ofKey && index === path.length - 1 ? pair?.key : (pair?.value ?? pair?.key);
    } else if (isNode(node) && "items" in node && Array.isArray(node.items) && typeof part === "number") {
      next = node.items[part];
    }
    if (!isNode(next)) return offset;
    offset = next.range?.[0] ?? offset;
    node = next;
  }
  return offset;
}
