import { scryptSync } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { hashPassword, parsePasswordHash, passwordMatches } from "./password.ts";
import { PasswordChecks } from "./password-checks.ts";
import type { User } from "./users-file.ts";

const LIMITS = { password_checks_max: 2, password_queue_max: 100, login_failures_per_minute_max: 3 };

let user: User;

beforeAll(async () => {
  const password = parsePasswordHash(await hashPassword("right"));
  if (password === undefined) throw new Error("our own hash is not read");
  user = { name: "u", password, publish: [], subscribe: [] };
});

function login(password: string, address = "10.0.0.1") {
  return { name: "u", password: Buffer.from(password), user, address };
}

describe("a password hash", () => {
  it("is standard scrypt", async () => {
    const text = await hashPassword("pässword");
    const [, , parameters, salt, hash] = text.split("$");
    expect(parameters).toBe("ln=15,r=8,p=1");
    const options = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
    const expected = scryptSync("pässword", Buffer.from(salt ?? "", "base64"), 32, options);
    expect(Buffer.from(hash ?? "", "base64")).toEqual(expected);
    expect(await hashPassword("pässword")).not.toBe(text);
  });

  it("matches only its password", async () => {
    expect(await passwordMatches(Buffer.from("right"), user.password)).toBe(true);
    expect(await passwordMatches(Buffer.from("wrong"), user.password)).toBe(false);
  });
});

describe("password checks", () => {
  it("cost one hash for any number of clients that connect or reconnect with the same credentials", async () => {
    const checks = new PasswordChecks(LIMITS, () => 0);
    const first = await Promise.all(Array.from({ length: 500 }, () => checks.check(login("right"))));
    const again = await Promise.all(Array.from({ length: 5_000 }, () => checks.check(login("right"))));
    expect(new Set([...first, ...again])).toEqual(new Set(["verified"]));
    expect(checks.hashes).toBe(1);
  });

  it("compute no hash for a repeated mistake, and a limited number for different ones", async () => {
    let nowMs = 0;
    const checks = new PasswordChecks(LIMITS, () => nowMs);
    expect(await checks.check(login("wrong"))).toBe("bad-credentials");
    expect(await checks.check(login("wrong"))).toBe("bad-credentials");
    expect(checks.hashes).toBe(1);
    await checks.check(login("wrong2"));
    await checks.check(login("wrong3"));
    expect(await checks.check(login("wrong4"))).toBe("login-throttled");
    expect(await checks.check(login("right"))).toBe("login-throttled");
    expect(await checks.check(login("right", "10.0.0.2"))).toBe("verified");
    expect(await checks.check(login("right"))).toBe("verified");
    nowMs = 60_000;
    expect(await checks.check(login("wrong4"))).toBe("bad-credentials");
    expect(checks.hashes).toBe(5);
  });

  it("also cost a hash for users that do not exist", async () => {
    const checks = new PasswordChecks(LIMITS, () => 0);
    expect(await checks.check({ ...login("right"), user: undefined })).toBe("bad-credentials");
    expect(checks.hashes).toBe(1);
  });

  it("have a bounded queue", async () => {
    const checks = new PasswordChecks({ ...LIMITS, password_checks_max: 1, password_queue_max: 2 }, () => 0);
    const results = await Promise.all(["a", "b", "c", "d"].map((text) => checks.check(login(text))));
    expect(results.filter((result) => result === "password-queue-full")).toHaveLength(1);
  });

  it("forget a password when its hash changes", async () => {
    const checks = new PasswordChecks(LIMITS, () => 0);
    await checks.check(login("right"));
    const changed = parsePasswordHash(await hashPassword("other"));
    if (changed === undefined) throw new Error("our own hash is not read");
    expect(await checks.check({ ...login("right"), user: { ...user, password: changed } })).toBe("bad-credentials");
  });
});
