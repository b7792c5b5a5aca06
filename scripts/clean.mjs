// Empties a folder of built files, so that no output of a moved or removed source remains: `node scripts/clean.mjs
// dist`.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const BUILT = ["dist", "build"];

const folder = process.argv[2];
if (!BUILT.includes(folder)) {
  process.stderr.write(`Which folder? One of ${BUILT.join(", ")}.\n`);
  process.exit(2);
}
rmSync(join(fileURLToPath(new URL("..", import.meta.url)), folder), { recursive: true, force: true });
