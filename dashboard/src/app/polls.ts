import { effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { FeedStatus } from "../../../contracts/feed-client/feed-client.ts";
import type { Readiness } from "../../../contracts/http/gateway.ts";
import type { RuleFiles } from "../../../contracts/rule-files.ts";
import { parseRules, type RuleView } from "../lib/rules.ts";
import type { AlertStore } from "../store/alerts.ts";
import type { AttentionStore } from "../store/attention.ts";
import type { Backfill } from "../store/backfill.ts";
import type { DeviceStore } from "../store/devices.ts";
import type { Api } from "./api.ts";

const RULES_EVERY_MS = 60_000;
const RULES_AGAIN_MS = 5_000;
const RULE_FILES_EVERY_MS = 15_000;
const READY_EVERY_MS = 10_000;
const ATTENTION_EVERY_MS = 15_000;
/** Alert changes come in bursts, and each burst causes one request. */
const ATTENTION_SETTLED_MS = 800;
const ALERTS_LISTED = 200;
const ALERTS_PAST_US = 30 * 86_400_000_000;
const ALERTS_AHEAD_US = 86_400_000_000;

export interface Polled {
  readonly rules: ReadonlySignal<readonly RuleView[]>;
  readonly rulesLoaded: ReadonlySignal<boolean>;
  /** Undefined until a processor has answered, or if the token does not show it. */
  readonly ruleFiles: ReadonlySignal<RuleFiles | undefined>;
  /** Undefined until the gateway has answered. */
  readonly readiness: ReadonlySignal<Readiness | undefined>;
}

interface PollOptions {
  readonly api: Api;
  readonly target: Window;
  readonly status: ReadonlySignal<FeedStatus>;
  readonly devices: DeviceStore;
  readonly alerts: AlertStore;
  readonly attention: AttentionStore;
  readonly backfill: Backfill;
}

/** Requests what the feed does not carry: from time to time, and whenever the connection opens. */
export function startPolls(options: PollOptions): Polled {
  const { api, target, status, attention, backfill } = options;
  const { askRules, rules, rulesLoaded } = pollRules(api);
  const readiness = signal<Readiness | undefined>(undefined);
  const ruleFiles = signal<RuleFiles | undefined>(undefined);

  // Each may fail. The live feed works without it, and the next round tries again.
  const whenOpen = (ask: () => Promise<void>) => () => {
    if (status.peek().state === "open" && !target.document.hidden) ask().catch(() => {});
  };
  const asks: readonly [() => Promise<void>, number][] = [
    [askRules, RULES_EVERY_MS],
    [() => refresh(readiness, api.readiness()), READY_EVERY_MS],
    [() => refresh(ruleFiles, api.ruleFiles()), RULE_FILES_EVERY_MS],
    [attention.refresh, ATTENTION_EVERY_MS],
  ];
  for (const [ask, everyMs] of asks) target.setInterval(whenOpen(ask), everyMs);
  // Most screens need the rules, so a page without them does not wait for the next round.
  target.setInterval(() => {
    if (!rulesLoaded.peek()) whenOpen(askRules)();
  }, RULES_AGAIN_MS);
  let before: FeedStatus["state"] = "closed";
  status.subscribe(({ state }) => {
    if (state === "open" && before !== "open") {
      for (const [ask] of asks) ask().catch(() => {});
      backfill.retry();
    }
    before = state;
  });
  refreshAfterAlerts(options, whenOpen(attention.refresh));
  loadPastAlerts(options);
  return { rules, rulesLoaded, ruleFiles, readiness };
}

/** An equal answer stays the same object, so that nothing is rendered again. */
async function refresh<Answer>(known: Signal<Answer | undefined>, asked: Promise<Answer>): Promise<void> {
  const answer = await asked;
  if (JSON.stringify(answer) !== JSON.stringify(known.peek())) known.value = answer;
}

function pollRules(api: Api) {
  const rules = signal<readonly RuleView[]>([]);
  const rulesLoaded = signal(false);
  let before = "";

  async function askRules(): Promise<void> {
    const answer = await api.rules();
    const text = JSON.stringify(answer);
    rulesLoaded.value = true;
    // Equal rules stay the same object, so that charts are not drawn again.
    if (text === before) return;
    before = text;
    rules.value = parseRules(answer);
  }
  return { askRules, rules, rulesLoaded };
}

/** Refreshes once for a burst of changes. */
function refreshAfterAlerts({ alerts, target }: PollOptions, refresh: () => void): void {
  let settling = false;
  alerts.open.subscribe(() => {
    if (settling) return;
    settling = true;
    target.setTimeout(() => {
      settling = false;
      refresh();
    }, ATTENTION_SETTLED_MS);
  });
}

/** The past is relative to the time of the readings, because they may be recorded ones. */
function loadPastAlerts({ api, status, devices, alerts }: PollOptions): void {
  effect(() => {
    if (status.value.state !== "open" || !devices.loaded.value) return;
    for (const newestUs of devices.clock.presents) {
      const query = { fromUs: newestUs - ALERTS_PAST_US, toUs: newestUs + ALERTS_AHEAD_US, limit: ALERTS_LISTED };
      api.alerts({ state: "all", ...query }).then(
        (past) => alerts.history(past.alerts),
        () => {},
      );
    }
  });
}
