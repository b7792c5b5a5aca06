import { formatInstantUs, US_PER_SECOND } from "../../domain/time.ts";
import { type ChangeEntry, isEnd } from "../common/change-entry.ts";
import type { AlertmanagerConfig } from "../common/config.ts";
import { post } from "./http.ts";
import type { Outcome, Target } from "./target.ts";
import { linkOf } from "./texts.ts";
import { addressOf, type HttpTargetOptions, secretHeaders } from "./webhook.ts";

const ALERTS_PER_POST = 250;
/** As Prometheus does: so many tellings may be lost before Alertmanager takes an alert for over. */
const RESENDS_MISSED_MAX = 4;

interface PostedAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL?: string;
}

/**
 * Tells Alertmanager (API v2), which groups, repeats and forwards. What fires is told again and again, because Alertmanager
 * ends by itself what it does not hear of.
 */
export function createAlertmanagerTarget(config: AlertmanagerConfig, options: HttpTargetOptions): Target {
  const { nowMs } = options;
  const url = `${addressOf(config, options).replace(/\/$/, "")}/api/v2/alerts`;
  const headers = { ...secretHeaders(config.headers_env, options), "content-type": "application/json" };
  const link = linkOf(options.externalUrl);

  async function tell(entries: readonly ChangeEntry[], signal: AbortSignal): Promise<Outcome> {
    const endsAtUs = nowMs() * 1_000 + Math.max(config.resend * RESENDS_MISSED_MAX, 10 * US_PER_SECOND);
    for (let i = 0; i < entries.length; i += ALERTS_PER_POST) {
      const alerts = entries.slice(i, i + ALERTS_PER_POST).map((entry) => toAlert(entry, endsAtUs, link));
      const outcome = await post({ url, headers, body: JSON.stringify(alerts), signal, nowMs });
      if (outcome.kind !== "delivered") return outcome;
    }
    return { kind: "delivered" };
  }

  return {
    send: ({ entries }, signal) => tell(entries, signal),
    keepAlive: { everyMs: config.resend / 1_000, send: tell },
    close: async () => {},
  };
}

function toAlert({ change }: ChangeEntry, firingUntilUs: number, link: string | undefined): PostedAlert {
  return {
    labels: labelsOf({ ...change.key, ...change.labels, alertname: change.rule, severity: change.severity }),
    annotations: labelsOf({ ...change.annotations, incident: change.incident, value: String(change.value) }),
    startsAt: formatInstantUs(change.activeAtUs),
    endsAt: formatInstantUs(isEnd(change) ? Math.max(change.atUs, change.activeAtUs + 1) : firingUntilUs),
    ...(link === undefined ? {} : { generatorURL: link }),
  };
}

/** Names that every Alertmanager takes; a label without text would be left out there. */
function labelsOf(texts: Readonly<Record<string, string>>): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [name, text] of Object.entries(texts)) {
    if (text === "") continue;
    labels[name.replace(/[^A-Za-z0-9_]/g, "_").replace(/^(?=\d)/, "_")] = text;
  }
  return labels;
}
