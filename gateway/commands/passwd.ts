import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { hashPassword } from "../../broker/auth/password.ts";
import { UsageError } from "./common/failures.ts";

/** Adds `weir passwd`. */
export function addPasswdCommand(program: Command): void {
  program
    .command("passwd")
    .description(
      "print a users file with this user, or its entry for an existing one; reads the password from standard input",
    )
    .argument("<user>", "user name")
    .action(passwd);
}

/** Prints a users file with one user; below its first line, the entry also fits into an existing file. The password comes from standard input, never from the command line. */
async function passwd(user: string): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  if (process.stdin.isTTY) process.stderr.write(`Password for ${user}: `);
  const { value: password } = await lines[Symbol.asyncIterator]().next();
  lines.close();
  if (!password) throw new UsageError("no password was given on standard input");
  process.stdout.write(
    [
      "users:",
      `  - name: ${JSON.stringify(user)}`,
      `    password: ${JSON.stringify(await hashPassword(password))}`,
      `    publish: ["sensors/+/{user}/#"]`,
      "    subscribe: []",
      "",
    ].join("\n"),
  );
}
