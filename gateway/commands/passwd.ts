import { createInterface } from "node:readline/promises";
import { hashPassword } from "../../broker/auth/password.ts";
import { UsageError } from "./failures.ts";

/** Prints the entry of a user for the users file. The password comes from standard input, never from the command line. */
export async function passwd(user: string): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  if (process.stdin.isTTY) process.stderr.write(`Password for ${user}: `);
  const { value: password } = await lines[Symbol.asyncIterator]().next();
  lines.close();
  if (!password) throw new UsageError("no password was given");
  process.stdout.write(
    [
      `  - name: ${JSON.stringify(user)}`,
      `    password: ${JSON.stringify(await hashPassword(password))}`,
      `    publish: ["sensors/+/{user}/#"]`,
      "    subscribe: []",
      "",
    ].join("\n"),
  );
}
