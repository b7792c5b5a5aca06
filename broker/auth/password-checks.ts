import { createHmac, randomBytes } from "node:crypto";
import { type PasswordHash, parsePasswordHash, passwordMatches } from "./password.ts";
import type { User } from "./users-file.ts";

export type CheckResult = "verified" | "bad-credentials" | "login-throttled" | "password-queue-full";

export interface PasswordCheckLimits {
  readonly password_checks_max: number;
  readonly password_queue_max: number;
  readonly login_failures_per_minute_max: number;
}

export interface Credentials {
  readonly name: string;
  readonly password: Buffer;
  /** Undefined if the user does not exist; the check still takes as long. */
  readonly user: User | undefined;
  /** Where the client connects from; failures are counted per address. */
  readonly address: string;
}

const MINUTE_MS = 60_000;
const REMEMBERED_MAX = 100_000;

/** Checked for users that do not exist, so that the answer takes as long. No password has this hash. */
const NOBODY = parsePasswordHash(
  "$scrypt$ln=15,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
);

/**
 * Checks passwords without a hash per login: a keyed digest recognizes credentials that were verified before,
 * simultaneous equal checks share one hash, and the rest wait in a bounded queue. The digest's key never leaves the
 * process.
 */
export class PasswordChecks {
  readonly #limits: PasswordCheckLimits;
  readonly #nowMs: () => number;
  readonly #key = randomBytes(32);
  readonly #verified = new Set<string>();
  /** Digests that failed, with the time, so that repeating a mistake costs nothing. */
  readonly #failed = new Map<string, number>();
  readonly #failuresByAddress = new Map<string, { sinceMs: number; count: number }>();
  readonly #running = new Map<string, Promise<CheckResult>>();
  readonly #waiting: (() => void)[] = [];
  #hashing = 0;
  /** Number of hashes computed so far. */
  hashes = 0;

  constructor(limits: PasswordCheckLimits, nowMs: () => number) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  /** Whether these credentials were verified before. */
  knows({ name, password, user }: Omit<Credentials, "address">): boolean {
    return user !== undefined && this.#verified.has(this.#digest(name, password, user.password));
  }

  async check(credentials: Credentials): Promise<CheckResult> {
    const { name, password, user, address } = credentials;
    const expected = user?.password ?? NOBODY;
    if (expected === undefined) return "bad-credentials";
    const digest = this.#digest(name, password, expected);
    if (user !== undefined && this.#verified.has(digest)) return "verified";
    const running = this.#running.get(digest);
    if (running !== undefined) return running;
    const failedMs = this.#failed.get(digest);
    if (failedMs !== undefined && this.#nowMs() - failedMs < MINUTE_MS) return "bad-credentials";
    if (this.#throttled(address)) return "login-throttled";
    if (this.#waiting.length >= this.#limits.password_queue_max) return "password-queue-full";
    const checking = this.#hashInTurn({ password, expected, exists: user !== undefined, digest, address });
    this.#running.set(digest, checking);
    try {
      return await checking;
    } finally {
      this.#running.delete(digest);
    }
  }

  async #hashInTurn(job: {
    readonly password: Buffer;
    readonly expected: PasswordHash;
    readonly exists: boolean;
    readonly digest: string;
    readonly address: string;
  }): Promise<CheckResult> {
    await this.#turn();
    try {
      // Others from this address may have failed while this one waited.
      if (this.#throttled(job.address)) return "login-throttled";
      this.hashes++;
      const matches = (await passwordMatches(job.password, job.expected)) && job.exists;
      if (matches) remember(this.#verified, job.digest);
      else this.#recordFailure(job);
      return matches ? "verified" : "bad-credentials";
    } finally {
      this.#passTurn();
    }
  }

  async #turn(): Promise<void> {
    if (this.#hashing < this.#limits.password_checks_max) this.#hashing++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Starts the next waiting check, or frees the slot if none waits. */
  #passTurn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#hashing--;
    else next();
  }

  #recordFailure({ digest, address }: { readonly digest: string; readonly address: string }): void {
    const nowMs = this.#nowMs();
    this.#failed.delete(digest);
    this.#failed.set(digest, nowMs);
    evict(this.#failed);
    const failures = this.#failuresByAddress.get(address);
    if (failures === undefined || nowMs - failures.sinceMs >= MINUTE_MS) {
      this.#failuresByAddress.delete(address);
      this.#failuresByAddress.set(address, { sinceMs: nowMs, count: 1 });
      evict(this.#failuresByAddress);
    } else {
      failures.count++;
    }
  }

  #throttled(address: string): boolean {
    const failures = this.#failuresByAddress.get(address);
    if (failures === undefined || this.#nowMs() - failures.sinceMs >= MINUTE_MS) return false;
    return failures.count >= this.#limits.login_failures_per_minute_max;
  }

  /** Includes the hash, so that a new password in the file invalidates earlier verifications. */
  #digest(name: string, password: Buffer, expected: PasswordHash): string {
    return createHmac("sha256", this.#key)
      .update(`${name}\u0000${expected.text}\u0000`)
      .update(password)
      .digest("base64");
  }
}

function remember(known: Set<string>, digest: string): void {
  known.add(digest);
  if (known.size <= REMEMBERED_MAX) return;
  for (const oldest of known) {
    known.delete(oldest);
    return;
  }
}

function evict(map: Map<string, unknown>): void {
  if (map.size <= REMEMBERED_MAX) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
