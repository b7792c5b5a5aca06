// Copies what compiled files read beside themselves: `node scripts/copy-presets.mjs dist`.
import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const built = process.argv[2] ?? "dist";
const presets = join("ingest", "presets");
// Test programs are in the other folder of built files.
const folders = built === "dist" ? [presets] : [presets, join("test", "devices", "families")];

for (const folder of folders) {
  for (const file of readdirSync(join(root, folder)).filter((name) => name.endsWith(".yaml"))) {
    cpSync(join(root, folder, file), join(root, built, folder, file));
  }
}
