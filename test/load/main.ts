import { type LoadOptions, runLoad } from "./load.ts";

/** `node main.js '{"port":1883,"clients":100,"inflightPerClient":20,"seconds":5}'` prints the report as JSON. */
const options: LoadOptions = JSON.parse(process.argv[2] ?? "{}");
const report = await runLoad(options);
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
