import { readFileSync } from "node:fs";
import { createTransport } from "nodemailer";
import { reasonOf } from "../../domain/reason.ts";
import { type Environment, SecretError, secretValue } from "../../platform/files/secret-values.ts";
import type { EmailConfig } from "../common/config.ts";
import type { Message, Outcome, Target } from "./target.ts";
import { factsOf, headingOf, linkOf, textsOf } from "./texts.ts";

const SUBJECT_CHARACTERS_MAX = 200;

export interface EmailTargetOptions {
  readonly name: string;
  readonly environment: Environment;
  readonly externalUrl: string | undefined;
}

/** Mails each message. Throws SecretError when a password or the authority's file is missing. */
export function createEmailTarget(config: EmailConfig, options: EmailTargetOptions): Target {
  const { name, environment } = options;
  const { host, tls, username, from, to } = config;
  const pass = secretValue(name, { env: config.password_env, file: config.password_file }, environment);
  const timeoutMs = config.timeout / 1_000;
  const ca = config.ca_file === undefined ? {} : { ca: readCa(name, config.ca_file) };
  const transport = createTransport({
    ...{ host, port: config.port ?? (tls === "implicit" ? 465 : 587), secure: tls === "implicit" },
    ...{ requireTLS: tls === "starttls", ignoreTLS: tls === "none", tls: ca },
    ...{ connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs, dnsTimeout: timeoutMs },
    ...(username === undefined ? {} : { auth: { user: username, pass: pass ?? "" } }),
    // Files and addresses are never taken from an alert's text.
    ...{ disableFileAccess: true, disableUrlAccess: true },
  });
  const domain = from.slice(from.lastIndexOf("@") + 1).replace(/[^A-Za-z0-9.-]/g, "");

  async function mail(message: Message): Promise<Outcome> {
    const subject = headingOf(message, config).slice(0, SUBJECT_CHARACTERS_MAX);
    const thread = threadOf(message, domain);
    try {
      const sent = await transport.sendMail({
        ...{ from, to, subject, text: plainText(message, config, options), html: html(message, config, options) },
        messageId: `<${message.id}@${domain}>`,
        ...(thread === undefined ? {} : { references: thread, inReplyTo: thread }),
        headers: { "Auto-Submitted": "auto-generated", "X-Weir-Message": message.id },
      });
      if (sent.rejected.length === 0) return { kind: "delivered" };
      return { kind: "delivered", note: `${host} refused ${sent.rejected.map(String).join(", ")}` };
    } catch (error) {
      return outcomeOf(error, host);
    }
  }

  return {
    async send(message, signal) {
      let stop = (): void => {};
      const ended = new Promise<Outcome>((resolve) => {
        stop = () => resolve({ kind: "failed", error: `no answer in time from ${host}` });
        signal.addEventListener("abort", stop, { once: true });
        if (signal.aborted) stop();
      });
      const outcome = await Promise.race([mail(message), ended]);
      signal.removeEventListener("abort", stop);
      return outcome;
    },
    async close() {
      transport.close();
    },
  };
}

/** Refusals that somebody may mend: a wrong password, a server without STARTTLS. */
const MENDABLE = new Set<unknown>(["EAUTH", "ETLS"]);

/** A mail server's 5xx stays; all else may pass. */
function outcomeOf(error: unknown, host: string): Outcome {
  const text = `${host}: ${reasonOf(error)}`;
  const { responseCode, code } = (error ?? {}) as { readonly responseCode?: unknown; readonly code?: unknown };
  const refused = typeof responseCode === "number" && responseCode >= 500 && !MENDABLE.has(code);
  return { kind: refused ? "refused" : "failed", error: text };
}

/** Mails about one incident, or one group, make a thread. */
function threadOf({ entries, grouped }: Message, domain: string): string | undefined {
  const [first] = entries;
  if (grouped || first === undefined) return undefined;
  return `<${first.change.incident.replace(/[^A-Za-z0-9_-]/g, "_")}@${domain}>`;
}

function plainText(message: Message, config: EmailConfig, { externalUrl }: EmailTargetOptions): string {
  const alerts = message.entries.map(({ change }) => {
    const { title, text } = textsOf(change, config, message.repeat);
    const facts = factsOf(change).map(([name, value]) => `  ${name}: ${value}`);
    return [title, text, ...facts].join("\n");
  });
  const link = linkOf(externalUrl);
  return `${[...alerts, ...(link === undefined ? [] : [link])].join("\n\n")}\n`;
}

function html(message: Message, config: EmailConfig, { externalUrl }: EmailTargetOptions): string {
  const alerts = message.entries.map(({ change }) => {
    const { title, text } = textsOf(change, config, message.repeat);
    const colour = change.state === "resolved" ? "#2e7d32" : change.severity === "critical" ? "#c62828" : "#ef6c00";
    const rows = factsOf(change)
      .map(
        ([name, value]) =>
          `<tr><td style="color:#666;padding-right:1em">${escaped(name)}</td><td>${escaped(value)}</td></tr>`,
      )
      .join("");
    return `<div style="border-left:4px solid ${colour};padding-left:1em;margin:1em 0"><h3 style="margin:0">${escaped(title)}</h3><p>${escaped(text).replaceAll("\n", "<br>")}</p><table>${rows}</table></div>`;
  });
  const link = linkOf(externalUrl);
  const foot = link === undefined ? "" : `<p><a href="${escaped(link)}">Open Weir</a></p>`;
  return `<!doctype html><html><body style="font-family:sans-serif">${alerts.join("")}${foot}</body></html>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function readCa(name: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new SecretError(`${name}: cannot read ca_file ${file}: ${reasonOf(error)}`, { cause: error });
  }
}
