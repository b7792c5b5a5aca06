import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { z } from "zod";
import {
  type Connack,
  type Connection,
  type ConnectOptions,
  type Feature,
  type Filter,
  type Library,
  type Publication,
  type Received,
  RefusedError,
  type Transport,
  type Version,
} from "../common/port.ts";

const propertiesSchema = z.object({
  payloadFormat: z.number().optional(),
  contentType: z.string().optional(),
  responseTopic: z.string().optional(),
  correlationData: z.string().optional(),
  userProperties: z.array(z.tuple([z.string(), z.string()])).optional(),
  messageExpiry: z.number().optional(),
});

const connackSchema = z.object({
  sessionPresent: z.boolean(),
  reasonCode: z.number(),
  assignedClientId: z.string().optional(),
});

/** What a driver writes, one JSON a line: answers to our commands, and events of its connections. */
const lineSchema = z.union([
  z.object({ id: z.number(), error: z.string() }),
  z.object({ id: z.number(), codes: z.array(z.number()) }),
  z.object({ event: z.literal("connected"), connection: z.number(), connack: connackSchema }),
  z.object({ event: z.literal("closed"), connection: z.number(), reasonCode: z.number().optional() }),
  z.object({
    event: z.literal("message"),
    connection: z.number(),
    topic: z.string(),
    /** Base64. */
    payload: z.string(),
    qos: z.union([z.literal(0), z.literal(1), z.literal(2)]),
    retain: z.boolean(),
    dup: z.boolean(),
    properties: propertiesSchema,
    subscriptionIdentifiers: z.array(z.number()),
  }),
]);

type Line = z.infer<typeof lineSchema>;
type Answer = Extract<Line, { id: number }>;

export interface DriverOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly versions: readonly Version[];
  readonly transports: readonly Transport[];
  readonly features: readonly Feature[];
}

const ANSWER_MS_MAX = 20_000;

/**
 * A client library of another language. Its driver is a process that takes one JSON command a line (connect, subscribe,
 * unsubscribe, publish, cut, close), passes it to the library, and writes what the library reports.
 */
export function driver(options: DriverOptions): Library {
  const { name, versions, transports, features } = options;
  let driverProcess: DriverProcess | undefined;
  return {
    name,
    versions,
    transports,
    features: new Set(features),
    async connect(connectOptions) {
      driverProcess ??= new DriverProcess(options);
      return driverProcess.connect(connectOptions);
    },
    async stop() {
      await driverProcess?.stop();
      driverProcess = undefined;
    },
  };
}

class DriverProcess {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  readonly #connections = new Map<number, DriverConnection>();
  readonly #ended: Promise<void>;
  #lastId = 0;
  #said = "";

  constructor({ name, command }: DriverOptions) {
    this.#name = name;
    const [program = "", ...args] = command;
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    child.stderr.on("data", (chunk: Buffer) => {
      this.#said = `${this.#said}${chunk}`.slice(-4_000);
    });
    createInterface({ input: child.stdout }).on("line", (line) => this.#take(line));
    this.#ended = new Promise((resolve) => {
      child.once("error", (error) => this.#end(String(error), resolve));
      child.once("exit", (code, signal) => this.#end(`it ended with ${signal ?? code}`, resolve));
    });
    child.stdin.on("error", () => {});
  }

  async connect(options: ConnectOptions): Promise<Connection> {
    const id = ++this.#lastId;
    const connection = new DriverConnection((command) => this.ask({ connection: id, ...command }));
    this.#connections.set(id, connection);
    const [reasonCode = 0] = await this.ask({ op: "connect", connection: id, options });
    if (reasonCode !== 0) throw new RefusedError(reasonCode);
    return connection;
  }

  ask(command: Readonly<Record<string, unknown>>): Promise<readonly number[]> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#answers.get(id)?.({ id, error: `no answer in ${ANSWER_MS_MAX} ms` }),
        ANSWER_MS_MAX,
      );
      this.#answers.set(id, (answer) => {
        clearTimeout(timer);
        this.#answers.delete(id);
        if ("codes" in answer) resolve(answer.codes);
        else reject(new Error(`${this.#name}: ${answer.error}\n${this.#said}`));
      });
      this.#child.stdin?.write(`${JSON.stringify({ id, ...command })}\n`);
    });
  }

  async stop(): Promise<void> {
    this.#child.stdin?.end();
    this.#child.kill("SIGTERM");
    await this.#ended;
  }

  #take(line: string): void {
    const said = lineSchema.parse(JSON.parse(line));
    if ("event" in said) this.#connections.get(said.connection)?.take(said);
    else this.#answers.get(said.id)?.(said);
  }

  #end(reason: string, resolve: () => void): void {
    for (const [id, take] of this.#answers) take({ id, error: reason });
    resolve();
  }
}

class DriverConnection implements Connection {
  readonly #ask: (command: Readonly<Record<string, unknown>>) => Promise<readonly number[]>;
  readonly messages: Received[] = [];
  connack: Connack = { sessionPresent: false, reasonCode: 0 };
  connects = 0;
  closed: { readonly reasonCode?: number } | undefined;

  constructor(ask: (command: Readonly<Record<string, unknown>>) => Promise<readonly number[]>) {
    this.#ask = ask;
  }

  take(said: Exclude<Line, Answer>): void {
    switch (said.event) {
      case "connected": {
        const { assignedClientId, ...rest } = said.connack;
        this.connects += 1;
        this.closed = undefined;
        this.connack = { ...rest, ...(assignedClientId === undefined ? {} : { assignedClientId }) };
        return;
      }
      case "closed":
        this.closed = said.reasonCode === undefined ? {} : { reasonCode: said.reasonCode };
        return;
      case "message": {
        const { event: _, connection: __, payload, properties, ...rest } = said;
        const set = Object.entries(properties).filter(([, value]) => value !== undefined);
        const text = Buffer.from(payload, "base64").toString();
        this.messages.push({ ...rest, payload: text, properties: Object.fromEntries(set) });
        return;
      }
    }
  }

  subscribe(filters: readonly Filter[], identifier?: number): Promise<readonly number[]> {
    return this.#ask({ op: "subscribe", filters, identifier });
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.#ask({ op: "unsubscribe", filter });
  }

  async publish(publication: Publication): Promise<number> {
    const [code = 0] = await this.#ask({ op: "publish", publication });
    return code;
  }

  async cut(): Promise<void> {
    await this.#ask({ op: "cut" });
  }

  async close(): Promise<void> {
    await this.#ask({ op: "close" });
  }
}
