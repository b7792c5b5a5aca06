import type { SMTPServerOptions } from "smtp-server";
import { afterEach, expect, test } from "vitest";
import { type MailServer, startMailServer } from "../testing/mail-server.ts";
import { type Behaviour, describeTarget, SECRET, type TargetServer } from "../testing/target-conformance.ts";
import { notificationOf, targetOf } from "../testing/target-kit.ts";
import type { Target } from "./target.ts";

const MAIL = { host: "localhost", from: "weir@plant.example", to: ["ops@plant.example"] };
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(options: SMTPServerOptions = {}): Promise<MailServer> {
  const server = await startMailServer(options);
  stops.push(() => server.stop());
  return server;
}

function open(server: MailServer, settings: Readonly<Record<string, unknown>> = {}): Target {
  const environment = { MAIL_PASSWORD: "pass", BAD_PASSWORD: "wrong" };
  const all = { ...MAIL, port: server.port, ca_file: server.caFile, ...settings };
  const target = targetOf("email", all, { environment });
  stops.push(() => target.close());
  return target;
}

/** Its refusals repeat the password. */
async function startServer(): Promise<TargetServer> {
  let behaviour: Behaviour = "accept";
  const refuse = (responseCode: number) => Object.assign(new Error(`${SECRET} is not welcome`), { responseCode });
  const server = await startMailServer({
    password: SECRET,
    onConnect: (_, done) => (behaviour === "hang" ? undefined : done()),
    onMailFrom: (_, __, done) => done(behaviour === "accept" ? null : refuse(behaviour === "fail" ? 451 : 550)),
  });
  const { port, caFile, mails, stop } = server;
  return {
    settings: { ...MAIL, port, ca_file: caFile, username: "weir", password_env: "PASSWORD" },
    options: { environment: { PASSWORD: SECRET } },
    received: () => mails.map(({ text }) => text),
    behave(next) {
      behaviour = next;
    },
    stop,
  };
}

describeTarget("email", { start: startServer });

const signal = () => AbortSignal.timeout(10_000);

/** A notification whose label looks like HTML. */
const alertOf = (...devices: string[]) => notificationOf(devices, { labels: { note: "<b>&" } });

test("mails over STARTTLS with a login, as plain text and HTML, with a stable id", async () => {
  const server = await start();
  const to = ["ops@plant.example", "b@plant.example"];
  const target = open(server, { username: "weir", password_env: "MAIL_PASSWORD", to });
  expect(await target.send(alertOf("d1"), signal())).toEqual({ kind: "delivered" });
  const [mail] = server.mails;
  expect(mail).toMatchObject({ secure: true, user: "weir", from: "weir@plant.example" });
  expect(mail?.to).toEqual(["ops@plant.example", "b@plant.example"]);
  expect(mail?.text).toMatch(/^Message-ID: <msg_1@plant\.example>$/m);
  expect(mail?.text).toMatch(/^References: <hot-[0-9a-f]{16}-1@plant\.example>$/m);
  expect(mail?.text).toMatch(/^Subject: \[FIRING\] hot: d1 north$/m);
  expect(mail?.text).toContain("d1 is warm");
  expect(mail?.text).toContain("https://weir.example/#/alerts");
  expect(mail?.text).toContain("&lt;b&gt;&amp;");
});

test("mails over implicit TLS, the alerts of a group in one mail", async () => {
  const server = await start({ secure: true });
  const target = open(server, { tls: "implicit" });
  expect(await target.send(alertOf("d1", "d2"), signal())).toEqual({ kind: "delivered" });
  expect(server.mails[0]?.text).toMatch(/^Subject: \[2 FIRING\] north$/m);
  expect(server.mails[0]?.text).toContain("d2 is warm");
});

test("sends nothing in clear text if STARTTLS is required but not offered", async () => {
  const server = await start({ disabledCommands: ["STARTTLS"] });
  expect((await open(server).send(alertOf("d1"), signal())).kind).toBe("failed");
  expect(server.mails).toEqual([]);
  expect((await open(server, { tls: "none" }).send(alertOf("d1"), signal())).kind).toBe("delivered");
});

test("a wrong password is retried, because someone may correct it", async () => {
  const target = open(await start(), { username: "weir", password_env: "BAD_PASSWORD" });
  expect((await target.send(alertOf("d1"), signal())).kind).toBe("failed");
});

test("reports one refused address among others, and does not retry", async () => {
  const server = await start({
    onRcptTo: ({ address }, _, done) =>
      done(address.startsWith("bad") ? Object.assign(new Error("no such user"), { responseCode: 550 }) : null),
  });
  const target = open(server, { to: ["ops@plant.example", "bad@plant.example"] });
  expect(await target.send(alertOf("d1"), signal())).toEqual({
    kind: "delivered",
    note: "localhost refused bad@plant.example",
  });
  expect(server.mails[0]?.to).toEqual(["ops@plant.example"]);
});
