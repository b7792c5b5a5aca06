import { createServer } from "node:net";
import { Aedes } from "aedes";

/** Plain Aedes, without hooks: `node bare-aedes.js [port]` prints the port and serves until it is killed. */
const broker = await Aedes.createBroker();
const server = createServer({ noDelay: true }, broker.handle);
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") process.stdout.write(`${address.port}\n`);
});
