import { z } from "zod";
import { formatInstantUs, US_PER_SECOND } from "../../domain/time.ts";
import { isEnd, type LoggedChange } from "../common/logged-change.ts";
import type { Notification } from "../common/notification.ts";
import { linkOf } from "../messages/texts.ts";
import { post } from "./http.ts";
import { HTTP_SETTINGS, httpSecrets, secretHeadersOf, urlOf, withOneAddress } from "./http-settings.ts";
import type { Outcome, Target } from "./target.ts";
import { addressIn, type TargetContext, type TargetKind } from "./target-kind.ts";
import { durationBetween, TARGET_SETTINGS } from "./target-settings.ts";

const ALERTS_PER_POST = 250;
/** As in Prometheus: this many posts may be lost before Alertmanager resolves an alert. */
const RESENDS_MISSED_MAX = 4;

const schema = withOneAddress(
  z.strictObject({
    ...TARGET_SETTINGS,
    ...HTTP_SETTINGS,
    resend: durationBetween("1s", "1h", "1m").describe(
      "How often a firing alert is resent. Alertmanager resolves an alert that it has not received for four times as long.",
    ),
  }),
);

type AlertmanagerSettings = z.output<typeof schema>;

export const ALERTMANAGER = {
  doc: "Prometheus Alertmanager, which then notifies people.",
  recognizedBy: "the alert's labels: sending an alert twice changes nothing",
  example: { url: "http://127.0.0.1:9093" },
  schema,
  secrets: httpSecrets,
  create: (settings, context) => new AlertmanagerTarget(settings, context),
  address: (settings, context) => addressIn(urlOf(settings, context)),
} satisfies TargetKind<AlertmanagerSettings>;

/**
 * Posts alerts to Alertmanager (API v2), which groups, repeats and forwards them. Resends firing alerts regularly,
 * because Alertmanager resolves an alert that it no longer receives.
 */
class AlertmanagerTarget implements Target {
  readonly keepAlive: NonNullable<Target["keepAlive"]>;
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #link: string | undefined;
  readonly #resendUs: number;
  readonly #nowMs: () => number;

  constructor(settings: AlertmanagerSettings, context: TargetContext) {
    this.#url = `${urlOf(settings, context).replace(/\/$/, "")}/api/v2/alerts`;
    this.#headers = { ...secretHeadersOf(settings, context), "content-type": "application/json" };
    this.#link = linkOf(context.externalUrl);
    this.#resendUs = settings.resend;
    this.#nowMs = context.nowMs;
    this.keepAlive = {
      everyMs: settings.resend / 1_000,
      send: (firing, signal) => this.#postAll(firing, signal),
    };
  }

  send({ changes }: Notification, signal: AbortSignal): Promise<Outcome> {
    return this.#postAll(changes, signal);
  }

  async close(): Promise<void> {}

  async #postAll(changes: readonly LoggedChange[], signal: AbortSignal): Promise<Outcome> {
    const endsAtUs = this.#nowMs() * 1_000 + Math.max(this.#resendUs * RESENDS_MISSED_MAX, 10 * US_PER_SECOND);
    for (let i = 0; i < changes.length; i += ALERTS_PER_POST) {
      const alerts = changes.slice(i, i + ALERTS_PER_POST).flatMap((logged) => toAlerts(logged, endsAtUs, this.#link));
      const request = { url: this.#url, headers: this.#headers, body: JSON.stringify(alerts) };
      const outcome = await post({ ...request, signal, nowMs: this.#nowMs });
      if (outcome.kind !== "delivered") return outcome;
    }
    return { kind: "delivered" };
  }
}

interface PostedAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL?: string;
}

/** With another severity, an alert is another one for Alertmanager: the one before ends. */
function toAlerts(logged: LoggedChange, firingUntilUs: number, link: string | undefined): PostedAlert[] {
  const alert = toAlert(logged, firingUntilUs, link);
  const { severityBefore, atUs, activeAtUs } = logged.change;
  if (severityBefore === undefined) return [alert];
  const endsAt = formatInstantUs(Math.max(atUs, activeAtUs + 1));
  return [{ ...alert, labels: { ...alert.labels, severity: severityBefore }, endsAt }, alert];
}

function toAlert({ change }: LoggedChange, firingUntilUs: number, link: string | undefined): PostedAlert {
  return {
    labels: labelsOf({ ...change.key, ...change.labels, alertname: change.rule, severity: change.severity }),
    annotations: labelsOf({ ...change.annotations, incident: change.incident, value: String(change.value) }),
    startsAt: formatInstantUs(change.activeAtUs),
    endsAt: formatInstantUs(isEnd(change) ? Math.max(change.atUs, change.activeAtUs + 1) : firingUntilUs),
    ...(link === undefined ? {} : { generatorURL: link }),
  };
}

/** Label names that every Alertmanager accepts. Empty labels are omitted, because Alertmanager drops them. */
function labelsOf(texts: Readonly<Record<string, string>>): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [name, text] of Object.entries(texts)) {
    if (text === "") continue;
    labels[name.replace(/[^A-Za-z0-9_]/g, "_").replace(/^(?=\d)/, "_")] = text;
  }
  return labels;
}
