// Runs a TypeScript file of this folder on every Node that Weir supports: node dashboard/dev/run.js mock --port 8090
import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";

const FILES = { mock: "serve-mock.ts", screenshots: "screenshots.ts", measure: "measure.ts" };
const file = FILES[process.argv[2]];
if (file === undefined) {
  console.error(`name the program to run: ${Object.keys(FILES).join(" or ")}`);
  process.exitCode = 2;
} else {
  const { module } = await runnerImport(fileURLToPath(new URL(file, import.meta.url)), { configFile: false });
  await module.main(process.argv.slice(3));
}
