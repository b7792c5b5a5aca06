import { describe, expect, it } from "vitest";
import { parseUsers } from "./users-file.ts";

const HASH = "$scrypt$ln=15,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

function faultsOf(text: string): readonly string[] {
  const parsed = parseUsers(text, "users.yaml");
  return parsed.kind === "faults" ? parsed.faults : [];
}

describe("users file", () => {
  it("is parsed", () => {
    const parsed = parseUsers(`users:\n  - {name: a, password: "${HASH}", publish: ["x/{user}/#"]}\n`, "users.yaml");
    if (parsed.kind === "faults") throw new Error(parsed.faults.join());
    const { password, ...rest } = parsed.users.byName.get("a") ?? {};
    expect(rest).toEqual({ name: "a", publish: ["x/{user}/#"], subscribe: [] });
    expect(password?.logN).toBe(15);
    expect(parsed.users.anonymous).toEqual({ publish: [], subscribe: [] });
  });

  it("reports every fault at once, with its position", () => {
    const text = [
      "users:",
      "  - name: a",
      "    password: secret",
      '    publish: ["a/#/b", "ok/#", "{nobody}"]',
      "  - name: a/b",
      `    password: "${HASH}"`,
      "    subscribe: all",
      "admins: []",
    ].join("\n");
    const where = faultsOf(text).map((fault) => fault.split(":").slice(0, 3).join(":"));
    expect(where.sort()).toEqual([
      "users.yaml:3:15",
      "users.yaml:4:15",
      "users.yaml:4:32",
      "users.yaml:5:11",
      "users.yaml:7:16",
      "users.yaml:8:1",
    ]);
  });

  it("does not repeat a value that may be a plain-text password", () => {
    expect(faultsOf("users:\n  - name: a\n    password: secret\n").join()).not.toContain("secret");
  });

  it("points at a user that is listed twice", () => {
    const user = `{name: a, password: "${HASH}"}`;
    expect(faultsOf(`users:\n  - ${user}\n  - ${user}\n`)).toEqual([
      'users.yaml:3:12: users.1.name: user "a" is listed twice',
    ]);
  });

  it("reports where the YAML is invalid", () => {
    expect(faultsOf("users:\n  - name: [a\n")[0]).toMatch(/^users\.yaml:\d+:\d+: /);
  });

  it("refuses an empty file, and hashes that cost too much", () => {
    expect(faultsOf("")).toHaveLength(1);
    const huge = HASH.replace("ln=15", "ln=25");
    expect(faultsOf(`users:\n  - name: a\n    password: "${huge}"\n`)).toHaveLength(1);
  });
});
