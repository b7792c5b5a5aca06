import { type AddressInfo, createServer, type Socket } from "node:net";
import { Aedes } from "aedes";
import type { Behaviour, TargetServer } from "./target-conformance.ts";

/** A broker for the conformance suite that requires a password. Changing its behaviour drops its connections. */
export async function startMqttServer(password: string): Promise<TargetServer> {
  const broker = await Aedes.createBroker();
  const sockets = new Set<Socket>();
  const received: string[] = [];
  let behaviour: Behaviour = "accept";
  broker.authenticate = (_client, _username, given, done) => {
    if (behaviour === "hang") return;
    if (behaviour === "accept" && given?.toString() === password) done(null, true);
    else done(Object.assign(new Error(`wrong password ${given}`), { returnCode: 5 }), null);
  };
  broker.authorizePublish = (_client, { payload }, done) => {
    received.push(payload.toString());
    done(null);
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    broker.handle(socket);
  });
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    settings: { url: `mqtt://127.0.0.1:${port}`, username: "weir", password_env: "PASSWORD" },
    options: { environment: { PASSWORD: password } },
    received: () => received,
    behave(next) {
      behaviour = next;
      drop();
    },
    async stop() {
      drop();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => broker.close(() => resolve()));
    },
  };
}
