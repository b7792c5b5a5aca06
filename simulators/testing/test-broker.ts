import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Aedes } from "aedes";

interface Received {
  readonly clientId: string;
  readonly topic: string;
  readonly qos: number;
  readonly dup: boolean;
  readonly text: string;
}

/** A plain broker for tests that can be killed and restarted on the same port. */
export interface TestBroker {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  /** Called for each publish before it is acknowledged. */
  onPublish: (received: Received) => void;
  /** While this is not 0, connections are refused with this CONNACK code. */
  refuseWith: number;
  /** Resets every connection and stops listening. */
  kill(): Promise<void>;
  /** Listens again on the same port, without the earlier sessions. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startTestBroker(): Promise<TestBroker> {
  let server: Server | undefined;
  let aedes: Aedes | undefined;
  let sockets = new Set<Socket>();
  let port = 0;
  const received: Received[] = [];

  async function listen(): Promise<void> {
    const mine = await Aedes.createBroker({ concurrency: 1000 });
    mine.authenticate = (_client, _username, _password, done) => {
      if (broker.refuseWith === 0) done(null, true);
      else done(Object.assign(new Error("refused"), { returnCode: broker.refuseWith }), null);
    };
    mine.authorizePublish = (client, packet, done) => {
      const clientId = client?.id ?? "";
      const { topic, qos, dup } = packet;
      const message = { clientId, topic, qos, dup, text: packet.payload.toString() };
      received.push(message);
      broker.onPublish(message);
      done(null);
    };
    const mySockets = new Set<Socket>();
    const listener = createServer((socket) => {
      mySockets.add(socket);
      socket.once("close", () => mySockets.delete(socket));
      mine.handle(socket);
    });
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(port, "127.0.0.1", resolve);
    });
    aedes = mine;
    sockets = mySockets;
    server = listener;
    port = (listener.address() as AddressInfo).port;
  }

  const broker: TestBroker = {
    get url() {
      return `mqtt://127.0.0.1:${port}`;
    },
    get port() {
      return port;
    },
    received,
    onPublish: () => undefined,
    refuseWith: 0,
    async kill() {
      const [listener, mine] = [server, aedes];
      server = undefined;
      aedes = undefined;
      for (const socket of sockets) socket.resetAndDestroy();
      await new Promise<void>((resolve) => (listener === undefined ? resolve() : listener.close(() => resolve())));
      await new Promise<void>((resolve) => (mine === undefined ? resolve() : mine.close(() => resolve())));
    },
    restart: listen,
    async stop() {
      await broker.kill();
    },
  };
  await listen();
  return broker;
}
