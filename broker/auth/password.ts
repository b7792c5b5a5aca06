import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** A hash as written in the users file: `$scrypt$ln=15,r=8,p=1$<salt>$<hash>`, salt and hash in base64. */
export interface PasswordHash {
  readonly text: string;
  readonly logN: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

const FORM = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+={0,2})\$([A-Za-z0-9+/]+={0,2})$/;
const DEFAULT_LOG_N = 15;
const DEFAULT_R = 8;
const DEFAULT_P = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const HASH_BYTES_MIN = 16;
/** The most memory that one check may use. `ln=17,r=8` needs 128 MiB. */
const MEMORY_BYTES_MAX = 256 * 1024 * 1024;

/** Hashes a password for the users file. About 60 ms and 32 MiB, off the event loop. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const cost = { logN: DEFAULT_LOG_N, r: DEFAULT_R, p: DEFAULT_P };
  const hash = await derive(Buffer.from(password), { ...cost, salt, bytes: HASH_BYTES });
  return `$scrypt$ln=${cost.logN},r=${cost.r},p=${cost.p}$${base64(salt)}$${base64(hash)}`;
}

/** Undefined if the text is not such a hash, or needs more memory than a check may use. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [logN, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const salt = Buffer.from(match[4] ?? "", "base64");
  const hash = Buffer.from(match[5] ?? "", "base64");
  if (logN < 1 || r < 1 || p < 1 || hash.length < HASH_BYTES_MIN) return undefined;
  if (memoryBytes(logN, r) > MEMORY_BYTES_MAX) return undefined;
  return { text, logN, r, p, salt, hash };
}

/** Compares in constant time. */
export async function passwordMatches(password: Buffer, expected: PasswordHash): Promise<boolean> {
  const { logN, r, p, salt, hash } = expected;
  return timingSafeEqual(await derive(password, { logN, r, p, salt, bytes: hash.length }), hash);
}

interface Derivation {
  readonly logN: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly bytes: number;
}

function derive(password: Buffer, { logN, r, p, salt, bytes }: Derivation): Promise<Buffer> {
  const options = { N: 2 ** logN, r, p, maxmem: memoryBytes(logN, r) + 1024 * 1024 };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, bytes, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

function memoryBytes(logN: number, r: number): number {
  return 128 * r * 2 ** logN;
}

function base64(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}
