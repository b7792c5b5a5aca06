import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly secure: boolean;
  readonly user: string | undefined;
}

export interface MailServer {
  readonly port: number;
  /** Certificate of the authority that signed the server's certificate. */
  readonly caFile: string;
  readonly mails: Mail[];
  stop(): Promise<void>;
}

/** An SMTP server for `localhost` with a certificate. It accepts the password `pass`, or `options.password`. */
export async function startMailServer(
  options: SMTPServerOptions & { readonly password?: string } = {},
): Promise<MailServer> {
  const { password: expected = "pass", ...others } = options;
  const folder = mkdtempSync(join(tmpdir(), "weir-mail-"));
  const [keyFile, caFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const command = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", keyFile, "-out", caFile, "-days", "2"];
  execFileSync("openssl", [...command, ...subject], { stdio: "ignore" });
  const mails: Mail[] = [];
  const server = new SMTPServer({
    ...{ key: readFileSync(keyFile), cert: readFileSync(caFile) },
    ...{ authOptional: true, logger: false, closeTimeout: 100 },
    onAuth: ({ username, password }, _, done) =>
      password === expected ? done(null, { user: username }) : done(new Error(`wrong password ${password}`)),
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
    ...others,
  });
  server.on("error", () => {});
  const port = await new Promise<number>((resolve) => {
    const listening = server.listen(0, "127.0.0.1", () => {
      const address = listening.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
  return {
    ...{ port, caFile, mails },
    async stop() {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
