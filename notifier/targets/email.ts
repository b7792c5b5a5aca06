import { readFileSync } from "node:fs";
import type SmtpTransport from "nodemailer/lib/smtp-transport";
import { z } from "zod";
import { reasonOf } from "../../domain/reason.ts";
import { SecretError, secretEnv, secretFile, secretValue } from "../../platform/files/secret-values.ts";
import type { Notification } from "../common/notification.ts";
import { htmlMail, type MailOptions, plainTextMail } from "../messages/mail.ts";
import { headingOf, linkOf, TEXT_SETTINGS, textTemplates } from "../messages/texts.ts";
import { type Outcome, type Target, untilAborted } from "./target.ts";
import type { TargetContext, TargetKind } from "./target-kind.ts";
import { durationBetween, TARGET_SETTINGS } from "./target-settings.ts";

const SUBJECT_CHARACTERS_MAX = 200;

const mailbox = z.string().regex(/^[^\r\n]+@[^\r\n]+$/, "must be an address like ops@example.org");

const schema = z.strictObject({
  ...TARGET_SETTINGS,
  timeout: durationBetween("1s", "10m", "30s").describe("An attempt that takes longer has failed."),
  host: z.string().min(1).describe("The mail server."),
  port: z.int().min(1).max(65_535).optional().describe("Default: 465 with `tls: implicit`, else 587."),
  tls: z
    .enum(["starttls", "implicit", "opportunistic", "none"])
    .default("starttls")
    .describe(
      "`starttls`: required. `opportunistic`: if the server offers it. `none`: never, for a server on this machine.",
    ),
  ca_file: z
    .string()
    .min(1)
    .optional()
    .describe("Certificate of the authority that signed the server's certificate, if it is not a public one."),
  username: z.string().min(1).optional().describe("User name for the mail server."),
  password_env: secretEnv("the password for the mail server"),
  password_file: secretFile("the password for the mail server"),
  from: mailbox.describe("Sender."),
  to: z.array(mailbox).min(1).max(100).describe("Recipients."),
  ...TEXT_SETTINGS,
});

type EmailSettings = z.output<typeof schema>;

export const EMAIL = {
  doc: "An e-mail for each notification.",
  recognizedBy: "`Message-ID`",
  example: { host: "mail.plant.example", from: "weir@plant.example", to: ["ops@plant.example"] },
  schema,
  secrets: ({ password_env: env, password_file: file }) => [{ env, file }],
  create: (settings, context) => new EmailTarget(settings, context),
  address: (settings) => ({ host: settings.host, port: portOf(settings) }),
} satisfies TargetKind<EmailSettings>;

function portOf({ port, tls }: EmailSettings): number {
  return port ?? (tls === "implicit" ? 465 : 587);
}

/** Mails each notification. */
class EmailTarget implements Target {
  readonly #settings: EmailSettings;
  readonly #mail: MailOptions;
  readonly #server: SmtpTransport.Options;
  #transport: ReturnType<typeof openTransport> | undefined;
  /** The suffix of all message ids. */
  readonly #domain: string;

  constructor(settings: EmailSettings, { name, environment, externalUrl }: TargetContext) {
    const { host, tls, username, from, ca_file } = settings;
    const password = secretValue(name, { env: settings.password_env, file: settings.password_file }, environment);
    const timeoutMs = settings.timeout / 1_000;
    this.#settings = settings;
    this.#mail = { ...textTemplates(settings), link: linkOf(externalUrl) };
    this.#domain = from.slice(from.lastIndexOf("@") + 1).replace(/[^A-Za-z0-9.-]/g, "");
    this.#server = {
      ...{ host, port: portOf(settings), secure: tls === "implicit" },
      ...{ requireTLS: tls === "starttls", ignoreTLS: tls === "none" },
      tls: ca_file === undefined ? {} : { ca: readAuthority(name, ca_file) },
      ...{ connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs, dnsTimeout: timeoutMs },
      ...(username === undefined ? {} : { auth: { user: username, pass: password ?? "" } }),
      // The text of an alert must not be able to include files or addresses.
      ...{ disableFileAccess: true, disableUrlAccess: true },
    };
  }

  send(notification: Notification, signal: AbortSignal): Promise<Outcome> {
    const timedOut: Outcome = { kind: "failed", error: `no answer in time from ${this.#settings.host}` };
    return untilAborted(this.#sendMail(notification), signal, timedOut);
  }

  async close(): Promise<void> {
    (await this.#transport)?.close();
  }

  async #sendMail(notification: Notification): Promise<Outcome> {
    const { host, from, to } = this.#settings;
    const thread = threadOf(notification, this.#domain);
    try {
      this.#transport ??= openTransport(this.#server);
      const sent = await (await this.#transport).sendMail({
        ...{ from, to, subject: headingOf(notification, this.#mail).slice(0, SUBJECT_CHARACTERS_MAX) },
        ...{ text: plainTextMail(notification, this.#mail), html: htmlMail(notification, this.#mail) },
        messageId: `<${notification.id}@${this.#domain}>`,
        ...(thread === undefined ? {} : { references: thread, inReplyTo: thread }),
        headers: { "Auto-Submitted": "auto-generated", "X-Weir-Message": notification.id },
      });
      if (sent.rejected.length === 0) return { kind: "delivered" };
      return { kind: "delivered", note: `${host} refused ${sent.rejected.map(String).join(", ")}` };
    } catch (error) {
      return outcomeOf(error, host);
    }
  }
}

/** Loads nodemailer with the first mail: every process reads the settings of this target, and few send mails. */
async function openTransport(server: SmtpTransport.Options) {
  const { createTransport } = await import("nodemailer");
  return createTransport(server);
}

/** Refusals that a configuration change fixes: a wrong password, a server without STARTTLS. */
const FIXABLE = new Set<unknown>(["EAUTH", "ETLS"]);

/** A mail server's 5xx is final; everything else may be temporary. */
function outcomeOf(error: unknown, host: string): Outcome {
  const text = `${host}: ${reasonOf(error)}`;
  const { responseCode, code } = (error ?? {}) as { readonly responseCode?: unknown; readonly code?: unknown };
  const refused = typeof responseCode === "number" && responseCode >= 500 && !FIXABLE.has(code);
  return { kind: refused ? "refused" : "failed", error: text };
}

/** The id that threads the mails of one incident. A group's mails have none. */
function threadOf({ changes, grouped }: Notification, domain: string): string | undefined {
  const [first] = changes;
  if (grouped || first === undefined) return undefined;
  return `<${first.change.incident.replace(/[^A-Za-z0-9_-]/g, "_")}@${domain}>`;
}

function readAuthority(name: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new SecretError(`${name}: cannot read ca_file ${file}: ${reasonOf(error)}`, { cause: error });
  }
}
