import { createServer, request, type Server, type ServerResponse } from "node:http";

/** How the proxy handles the next write instead of forwarding it. */
interface Misdeed {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Forwards the write anyway, and answers with a lie. */
  readonly writes?: boolean;
}

export interface InfluxProxy {
  readonly url: string;
  /** Each applies to one write. Status 0 cuts the connection. */
  readonly misdeeds: Misdeed[];
  /** When each write arrived, in ms. */
  readonly writesAtMs: number[];
  stop(): Promise<void>;
}

/** A proxy in front of InfluxDB that answers some writes itself. */
export async function startProxy(target: string): Promise<InfluxProxy> {
  const misdeeds: Misdeed[] = [];
  const writesAtMs: number[] = [];
  const server = createServer((incoming, response) => {
    const isWrite = incoming.url?.startsWith("/api/v2/write") ?? false;
    if (isWrite) writesAtMs.push(performance.now());
    const misdeed = isWrite ? misdeeds.shift() : undefined;
    if (misdeed !== undefined && misdeed.writes !== true) {
      incoming.resume();
      incoming.on("end", () => misbehave(misdeed, response));
      return;
    }
    const { method, headers, url } = incoming;
    const onward = request(`${target}${url}`, { method, headers }, (answer) => {
      if (misdeed !== undefined) {
        answer.resume();
        answer.on("end", () => misbehave(misdeed, response));
        return;
      }
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    incoming.pipe(onward);
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    misdeeds,
    writesAtMs,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function misbehave(misdeed: Misdeed, response: ServerResponse): void {
  if (misdeed.status === 0) {
    response.destroy();
    return;
  }
  response.writeHead(misdeed.status, { "content-type": "application/json", ...misdeed.headers });
  response.end(misdeed.body ?? JSON.stringify({ code: "scripted", message: `scripted ${misdeed.status}` }));
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
}
