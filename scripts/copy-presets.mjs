// Copies what the compiled ingest reads beside itself: `node scripts/copy-presets.mjs dist`.
import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join("ingest", "presets");
const built = process.argv[2] ?? "dist";

for (const file of readdirSync(join(root, folder)).filter((name) => name.endsWith(".yaml"))) {
  cpSync(join(root, folder, file), join(root, built, folder, file));
}
