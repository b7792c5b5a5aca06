import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { notifierConfigSchema } from "../common/config.ts";
import { changeOf, T0 } from "../testing/test-kit.ts";
import { createEmailTarget } from "./email.ts";
import type { Message, Target } from "./target.ts";

let folder: string;
let tls: { key: Buffer; cert: Buffer };
const stops: (() => Promise<void>)[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-mail-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", ...subject],
    {
      stdio: "ignore",
    },
  );
  tls = { key: await readFile(key), cert: await readFile(cert) };
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly secure: boolean;
  readonly user: string | undefined;
}

async function startMailServer(options: SMTPServerOptions = {}): Promise<{ port: number; mails: Mail[] }> {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    ...tls,
    authOptional: true,
    logger: false,
    closeTimeout: 100,
    onAuth: ({ username, password }, _, done) =>
      password === "pass" ? done(null, { user: username }) : done(new Error("wrong password")),
    onData(stream, { envelope, secure, user }, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        mails.push({
          from: envelope.mailFrom ? envelope.mailFrom.address : "",
          to: envelope.rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString().replace(/=\r\n/g, "").replaceAll("\r\n", "\n"),
          secure,
          user: user === undefined ? undefined : String(user),
        });
        done();
      });
    },
    ...options,
  });
  server.on("error", () => {});
  const port = await new Promise<number>((resolve) => {
    const listening = server.listen(0, "127.0.0.1", () => {
      const address = listening.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
  stops.push(() => new Promise((resolve) => server.close(() => resolve())));
  return { port, mails };
}

function targetOf(settings: Record<string, unknown>): Target {
  const mail = {
    host: "localhost",
    ca_file: join(folder, "cert.pem"),
    from: "weir@plant.example",
    to: ["ops@plant.example"],
  };
  const config = notifierConfigSchema.parse({ receivers: { ops: [{ email: { ...mail, ...settings } }] } });
  const email = config.receivers.ops?.[0]?.email;
  if (email === undefined) throw new Error("no e-mail");
  const target = createEmailTarget(email, {
    name: "ops.email",
    environment: { MAIL_PASSWORD: "pass", BAD_PASSWORD: "no" },
    externalUrl: "https://weir.example",
  });
  stops.push(() => target.close());
  return target;
}

function messageOf(...devices: string[]): Message {
  const entries = devices.map((device, i) => ({
    ...{ alert: `hot.${device}`, sequence: i + 1, storedAtUs: T0, source: "/weir" },
    change: changeOf({ device, labels: { note: "<b>&" } }),
  }));
  return { id: "msg_1", receiver: "ops.email", repeat: 0, grouped: devices.length > 1, labels: {}, entries };
}

const signal = () => AbortSignal.timeout(10_000);

test("mails over STARTTLS with a login, both kinds of text, and an id that stays", async () => {
  const { port, mails } = await startMailServer();
  const target = targetOf({
    port,
    username: "weir",
    password_env: "MAIL_PASSWORD",
    to: ["ops@plant.example", "b@plant.example"],
  });
  expect(await target.send(messageOf("d1"), signal())).toEqual({ kind: "delivered" });
  const [mail] = mails;
  expect(mail).toMatchObject({ secure: true, user: "weir", from: "weir@plant.example" });
  expect(mail?.to).toEqual(["ops@plant.example", "b@plant.example"]);
  expect(mail?.text).toMatch(/^Message-ID: <msg_1@plant\.example>$/m);
  expect(mail?.text).toMatch(/^References: <hot-[0-9a-f]{16}-1@plant\.example>$/m);
  expect(mail?.text).toMatch(/^Subject: \[FIRING\] hot: d1 north$/m);
  expect(mail?.text).toContain("d1 is warm");
  expect(mail?.text).toContain("https://weir.example/#/alerts");
  expect(mail?.text).toContain("&lt;b&gt;&amp;");
});

test("implicit TLS, and alerts of a group in one mail", async () => {
  const { port, mails } = await startMailServer({ secure: true });
  const target = targetOf({ port, tls: "implicit" });
  expect(await target.send(messageOf("d1", "d2"), signal())).toEqual({ kind: "delivered" });
  expect(mails[0]?.text).toMatch(/^Subject: \[2 FIRING\]$/m);
  expect(mails[0]?.text).toContain("d2 is warm");
});

test("nothing goes out in the clear when STARTTLS is required and not offered", async () => {
  const { port, mails } = await startMailServer({ disabledCommands: ["STARTTLS"] });
  expect((await targetOf({ port }).send(messageOf("d1"), signal())).kind).toBe("failed");
  expect(mails).toEqual([]);
  expect((await targetOf({ port, tls: "none" }).send(messageOf("d1"), signal())).kind).toBe("delivered");
});

test("a refused sender is final; a busy server, a wrong password and a silent host may pass", async () => {
  const refuse = (code: number): SMTPServerOptions => ({
    onMailFrom: (_, __, done) => done(Object.assign(new Error("not now"), { responseCode: code })),
  });
  const final = await startMailServer(refuse(550));
  expect(await targetOf({ port: final.port }).send(messageOf("d1"), signal())).toMatchObject({ kind: "refused" });
  const busy = await startMailServer(refuse(451));
  expect(await targetOf({ port: busy.port }).send(messageOf("d1"), signal())).toMatchObject({ kind: "failed" });
  const login = { port: busy.port, username: "weir", password_env: "BAD_PASSWORD" };
  expect((await targetOf(login).send(messageOf("d1"), signal())).kind).toBe("failed");
  const silent = await startMailServer({ onConnect: () => {} });
  const outcome = await targetOf({ port: silent.port }).send(messageOf("d1"), AbortSignal.timeout(100));
  expect(outcome).toMatchObject({ kind: "failed", error: "no answer in time from localhost" });
});

test("one bad address among good ones is said, and not tried again", async () => {
  const { port, mails } = await startMailServer({
    onRcptTo: ({ address }, _, done) =>
      done(address.startsWith("bad") ? Object.assign(new Error("no such user"), { responseCode: 550 }) : null),
  });
  const target = targetOf({ port, to: ["ops@plant.example", "bad@plant.example"] });
  expect(await target.send(messageOf("d1"), signal())).toEqual({
    kind: "delivered",
    note: "localhost refused bad@plant.example",
  });
  expect(mails[0]?.to).toEqual(["ops@plant.example"]);
});
