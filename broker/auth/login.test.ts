import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { NoAuthenticationError } from "../broker.ts";
import { RawClient, startTestBroker, stopAll, until } from "../testing/test-support.ts";
import { hashPassword } from "./password.ts";

let folder: string;
let usersFile: string;
let aliceHash: string;

function users(hash: string): string {
  return `users:
  - name: alice
    password: "${hash}"
    publish: ["sensors/{user}/#"]
    subscribe: ["commands/{client}/#"]
  - name: mute
    password: "${hash}"
anonymous:
  publish: ["public/#"]
`;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-users-"));
  usersFile = join(folder, "users.yaml");
  aliceHash = await hashPassword("wonderland");
});

afterEach(async () => {
  await stopAll();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const alice = { username: "alice", password: Buffer.from("wonderland") };

describe("logging in", () => {
  it("works with the right password only", async () => {
    await writeFile(usersFile, users(aliceHash));
    const { port, metric } = await startTestBroker({ users_file: usersFile });
    expect(await new RawClient(port).connect({ ...alice })).toBe(0);
    expect(await new RawClient(port).connect({ username: "alice", password: Buffer.from("wrong") })).toBe(4);
    expect(await new RawClient(port).connect({ username: "alice" })).toBe(4);
    expect(await new RawClient(port).connect({ username: "nobody", password: Buffer.from("wonderland") })).toBe(4);
    expect(await new RawClient(port).connect()).toBe(5);
    expect(await metric("weir_broker_refused_total", { reason: "bad-credentials" })).toBe(3);
    expect(await metric("weir_broker_refused_total", { reason: "no-credentials" })).toBe(1);
  });

  it("grants clients without a user name the rights in the file, if it accepts them", async () => {
    await writeFile(usersFile, users(aliceHash));
    const { port } = await startTestBroker({ users_file: usersFile, anonymous: true });
    const client = await RawClient.connected(port);
    client.publish("public/a", "1", { qos: 1, id: 1 });
    await client.next("puback");
    client.publish("sensors/a", "1", { qos: 1, id: 2 });
    await client.untilClosed();
    expect(client.ids("puback")).toEqual([]);
  });

  it("is refused on an address that other machines reach without configured users", async () => {
    await expect(startTestBroker({ bind: "0.0.0.0" })).rejects.toThrow(NoAuthenticationError);
    await startTestBroker({ bind: "0.0.0.0", anonymous: true });
  });
});

describe("permissions", () => {
  it("a publish that is not allowed closes the connection, and is counted", async () => {
    await writeFile(usersFile, users(aliceHash));
    const { port, gate, metric } = await startTestBroker({ users_file: usersFile });
    const client = await RawClient.connected(port, alice);
    client.publish("sensors/alice/t", "1", { qos: 1, id: 1 });
    await client.next("puback");
    client.publish("sensors/bob/t", "1", { qos: 1, id: 2 });
    await client.untilClosed();
    expect(client.ids("puback")).toEqual([]);
    expect(gate.texts).toEqual(["sensors/alice/t 1"]);
    expect(await metric("weir_broker_refused_total", { reason: "publish-denied" })).toBe(1);
  });

  it("a subscription that is not allowed is refused with 0x80, and is not kept in the session", async () => {
    await writeFile(usersFile, users(aliceHash));
    const { port } = await startTestBroker({ users_file: usersFile });
    const client = await RawClient.connected(port, { ...alice, clientId: "c1", clean: false });
    const subscriptions = ["commands/c1/#", "commands/#", "sensors/alice/#"].map((topic) => ({
      topic,
      qos: 1 as const,
    }));
    client.send({ cmd: "subscribe", messageId: 1, subscriptions });
    expect((await client.next("suback")).granted).toEqual([1, 0x80, 0x80]);
    client.send({ cmd: "disconnect" });
    await client.untilClosed();
    const publisher = await RawClient.connected(port, { ...alice, clientId: "c2" });
    publisher.publish("sensors/alice/t", "secret", { qos: 1, id: 1 });
    await publisher.next("puback");
    const again = await RawClient.connected(port, { ...alice, clientId: "c1", clean: false });
    await again.ping();
    expect(again.ids("publish")).toEqual([]);
  });

  it("without lists a user may do nothing", async () => {
    await writeFile(usersFile, users(aliceHash));
    const { port } = await startTestBroker({ users_file: usersFile });
    const mute = { username: "mute", password: alice.password };
    const client = await RawClient.connected(port, mute);
    client.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a", qos: 0 }] });
    expect((await client.next("suback")).granted).toEqual([0x80]);
    client.publish("a", "1");
    await client.untilClosed();
  });

  it("a will that is not allowed is refused at CONNECT", async () => {
    await writeFile(usersFile, users(aliceHash));
    const { port } = await startTestBroker({ users_file: usersFile });
    const will = { topic: "sensors/bob/gone", payload: Buffer.from("1"), qos: 1 as const, retain: false };
    expect(await new RawClient(port).connect({ ...alice, will })).toBe(5);
  });

  it("another user's client id, connected or with a session, cannot be taken over", async () => {
    await writeFile(usersFile, users(aliceHash));
    const { port } = await startTestBroker({ users_file: usersFile });
    const mute = { username: "mute", password: alice.password };
    const client = await RawClient.connected(port, { ...alice, clientId: "c1", clean: false });
    expect(await new RawClient(port).connect({ ...mute, clientId: "c1" })).toBe(2);
    client.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "commands/c1/#", qos: 1 }] });
    await client.next("suback");
    client.send({ cmd: "disconnect" });
    await client.untilClosed();
    expect(await new RawClient(port).connect({ ...mute, clientId: "c1" })).toBe(2);
    expect(await new RawClient(port).connect({ ...alice, clientId: "c1" })).toBe(0);
  });
});

describe("the users file", () => {
  it("is followed: removed and changed users are disconnected, an invalid version changes nothing", async () => {
    await writeFile(usersFile, users(aliceHash));
    const { port, log } = await startTestBroker({ users_file: usersFile });
    const client = await RawClient.connected(port, alice);
    await writeFile(usersFile, "users:\n  - name: alice\n    pasword: x\n  - nam: bob\n");
    const isBad = ({ faults }: Record<string, unknown>) => Array.isArray(faults);
    await until(() => log.some(isBad), "the bad file to be reported");
    const faults = log.find(isBad)?.faults;
    expect(faults).toEqual(
      expect.arrayContaining([
        `${usersFile}:3:5: unknown key \`pasword\`; did you mean \`password\`?`,
        `${usersFile}:4:5: unknown key \`nam\`; did you mean \`name\`?`,
      ]),
    );
    await client.ping();
    await writeFile(usersFile, users(await hashPassword("looking-glass")));
    await client.untilClosed();
    expect(await new RawClient(port).connect(alice)).toBe(4);
    expect(await new RawClient(port).connect({ ...alice, password: Buffer.from("looking-glass") })).toBe(0);
  }, 15_000);

  it("that is missing or invalid at the start prevents the broker from starting", async () => {
    await expect(startTestBroker({ users_file: join(folder, "none.yaml") })).rejects.toThrow(
      /none.yaml: cannot be read/,
    );
    await writeFile(usersFile, "users: 5\n");
    await expect(startTestBroker({ users_file: usersFile })).rejects.toThrow(/users.yaml:1:8/);
  });
});
