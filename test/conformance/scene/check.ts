import type { ConnectOptions, PublishOptions } from "../wire/build.ts";
import type { Version } from "../wire/bytes.ts";
import { Client, ExpectationError } from "../wire/client.ts";
import type { Received, ViolationError } from "../wire/read.ts";
import type { Target, Transport } from "../wire/wire.ts";

/** One scene against a broker, and the statements that it tests. */
export interface Check {
  readonly name: string;
  /** Statement ids of each version in which the check runs; no list: not in that version. */
  readonly covers: { readonly 4?: readonly string[]; readonly 5?: readonly string[] };
  /** Only over this transport. */
  readonly only?: Transport;
  readonly run: (t: Scene) => Promise<void>;
}

export function check(name: string, covers: Check["covers"], run: Check["run"], only?: Transport): Check {
  return { name, covers, run, ...(only === undefined ? {} : { only }) };
}

/** How long a session outlives its connection, in seconds, where a check does not care. */
const LONG_S = 300;
const TRACE_LINES_MAX = 300;

/** What a check gets: clients with names of its own, and expectations. */
export class Scene {
  readonly version: Version;
  readonly transport: Transport;
  readonly target: Target;
  readonly violations: ViolationError[] = [];
  /** What was sent and received, in hexadecimal. */
  readonly trace: string[] = [];
  readonly #prefix: string;
  readonly #clients: Client[] = [];

  constructor(options: { target: Target; transport: Transport; version: Version; prefix: string }) {
    this.target = options.target;
    this.transport = options.transport;
    this.version = options.version;
    this.#prefix = options.prefix;
  }

  /** A topic that no other check uses. */
  topic(name: string): string {
    return `${this.#prefix}/${name}`;
  }

  /** A client id that no other check uses: at most 23 letters and digits. */
  id(name = "a"): string {
    return `${this.#prefix}${name}`;
  }

  /** A connection before its CONNECT. */
  open(options: { readonly unread?: boolean; readonly version?: Version } = {}): Client {
    const { target, transport } = this;
    const version = options.version ?? this.version;
    const onViolation = (violation: ViolationError) => void this.violations.push(violation);
    const name = `client ${this.#clients.length + 1}`;
    const onTrace = (line: string) => {
      if (this.trace.length < TRACE_LINES_MAX) this.trace.push(`${name} ${line}`);
    };
    const client = new Client({ ...options, onTrace, target, transport, version, onViolation });
    this.#clients.push(client);
    return client;
  }

  /** Connects, with a clean session by default. */
  async connect(options: ConnectOptions = {}): Promise<Client> {
    const client = this.open();
    const { code } = await client.connect({ id: this.id(`n${this.#clients.length}`), ...options });
    this.equal(code, 0, "the CONNACK's code");
    return client;
  }

  /** Connects with a session that outlives the connection, or returns to it. */
  async persistent(id: string, options: ConnectOptions = {}): Promise<Client> {
    const expiry = this.version === 5 ? { sessionExpiry: LONG_S } : {};
    return await this.connect({ clean: false, ...options, id, properties: { ...expiry, ...options.properties } });
  }

  /** Two clients: the second one is subscribed to the filter with QoS 2. */
  async pair(filter: string, options: ConnectOptions = {}): Promise<{ publisher: Client; subscriber: Client }> {
    const subscriber = await this.connect(options);
    await subscriber.subscribe(filter);
    return { publisher: await this.connect(), subscriber };
  }

  /**
   * Everything that comes before a marker: what was published before it on the marker's topic by the same client, and
   * what other messages caused, has arrived or will not.
   */
  async before(marker: { from: Client; to: Client; topic: string; options?: PublishOptions }): Promise<Received[]> {
    const { from, to, topic, options } = marker;
    const text = `marker ${Math.random()}`;
    await from.publish(topic, text, { qos: 1, ...options });
    const messages: Received[] = [];
    for (;;) {
      const message = await to.message();
      if (message.payload === text) return messages;
      messages.push(message);
    }
  }

  ok(condition: boolean, what: string): void {
    if (!condition) throw new ExpectationError(what);
  }

  equal(actual: unknown, expected: unknown, what: string): void {
    const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
    if (is !== should) throw new ExpectationError(`${what}: expected ${should}, got ${is}`);
  }

  /** Sends bytes on a new or given connection, which must then be closed. */
  async refused(
    bytes: Uint8Array,
    options: { client?: Client; codes?: readonly number[]; why: string },
  ): Promise<void> {
    const client = options.client ?? (await this.connect());
    client.send(bytes);
    await client.untilClosed(options.why);
    const farewell = client.received.find(({ kind }) => kind === "disconnect");
    const answers = client.received.filter(({ kind }) => kind !== "disconnect" && kind !== "publish");
    this.equal(
      answers.map(({ kind }) => kind),
      [],
      `answers to ${options.why}`,
    );
    if (farewell === undefined || options.codes === undefined) return;
    const expected = options.codes.map((code) => `0x${code.toString(16)}`).join(" or ");
    const what = `DISCONNECT code 0x${farewell.code.toString(16)} for ${options.why}, not ${expected}`;
    this.ok(options.codes.includes(farewell.code), what);
  }

  end(): void {
    for (const client of this.#clients.splice(0)) client.cut();
  }
}
