import type { Severity } from "../../../domain/alert.ts";
import { devicesHref } from "../app/route.ts";
import { formatCount, plural } from "../lib/format.ts";
import type { Census } from "../store/census.ts";
import type { Refused } from "../store/refused.ts";

/** `calm` is the only tone that means that all is well. */
export type Tone = "critical" | "warning" | "calm" | "quiet";

/** One statement about the gateway, with the list that shows it. */
export interface Fact {
  /** What it is about, for styles and tests. */
  readonly about: string;
  readonly words: string;
  readonly href: string;
  readonly tone: Tone;
}

export interface Headline {
  readonly title: Fact;
  readonly facts: readonly Fact[];
}

export interface Situation {
  /** Firing alerts that nobody has taken or silenced, and that are notified. */
  readonly firing: Readonly<Record<Severity, number>>;
  readonly acknowledged: number;
  readonly silenced: number;
  /** Firing alerts of rules in shadow mode. */
  readonly shadow: number;
  readonly pending: number;
  readonly census: Census;
  /** Devices beyond those that the page can count. */
  readonly devicesBeyond: number;
  readonly ruleErrors: number;
  readonly ruleWarnings: number;
  /** Rules that failed while they ran, and watch nothing until they are edited. */
  readonly quarantined: number;
  /** Services that do not work, and why. */
  readonly notReady: readonly string[];
  /** What a person should look into, by service. */
  readonly notices: readonly { readonly name: string; readonly notice: string }[];
  /** Log entries that wait for the store. */
  readonly storageLag: number;
  readonly deadLetters: Refused;
  readonly dropped: Refused;
}

const ALERTS = "#/alerts";
const ACKNOWLEDGED = "#/alerts?show=acknowledged";
const PENDING = "#/alerts?show=pending";
const RULES = "#/rules";
const PIPELINE = "#/pipeline";
const LAG_BEHIND = 10_000;
const REASONS_NAMED = 2;

/** What a person must know first, and everything else that is not as it should be. */
export function headlineOf(situation: Situation): Headline {
  const { census, devicesBeyond } = situation;
  const facts = FACTS.flatMap((fact) => fact(situation) ?? []);
  const words =
    devicesBeyond === 0
      ? plural(census.devices, "device")
      : `${formatCount(census.devices)} of ${plural(census.devices + devicesBeyond, "device")}`;
  const devices: Fact = { about: "devices", words, href: devicesHref(), tone: "quiet" };
  const [worst] = facts;
  if (worst !== undefined && worst.tone !== "quiet") return { title: worst, facts: [...facts.slice(1), devices] };
  if (census.devices === 0)
    return { title: { about: "empty", words: "Ready for readings", href: devicesHref(), tone: "quiet" }, facts };
  return { title: { about: "well", words: "All well", href: devicesHref(), tone: "calm" }, facts: [...facts, devices] };
}

/** The worst first. Quiet facts never are the title, so they come last. */
const FACTS: readonly ((situation: Situation) => Fact | undefined)[] = [
  ({ firing }) => counted(firing.critical, { about: "critical", href: ALERTS, tone: "critical" }, "critical alert"),
  ({ census }) => (isAllSilent(census) ? silentFact(census) : undefined),
  ({ notReady }) => {
    if (notReady.length === 0) return undefined;
    const more = notReady.length > 1 ? `, ${notReady.length - 1} more` : "";
    return { about: "not-ready", words: `Not ready: ${notReady[0]}${more}`, href: PIPELINE, tone: "warning" };
  },
  ({ firing }) => counted(firing.warning, { about: "warning", href: ALERTS, tone: "warning" }, "warning"),
  ({ census }) => (isAllSilent(census) ? undefined : silentFact(census)),
  ({ census: { devices, unwatched } }) => {
    if (devices === 0 || unwatched === 0) return undefined;
    const words = unwatched === devices ? "Nothing is watched" : `${plural(unwatched, "device")} not watched`;
    const href = unwatched === devices ? RULES : devicesHref({ state: "unwatched" });
    return { about: "unwatched", words, href, tone: "warning" };
  },
  ({ ruleErrors }) =>
    counted(ruleErrors, { about: "rule-errors", href: RULES, tone: "warning" }, "error", " in rule files"),
  ({ notices: [first] }) =>
    first && {
      about: "notice",
      words: `${first.name}: ${first.notice}`,
      href: hrefOfNotice(first.name),
      tone: "warning",
    },
  ({ quarantined }) =>
    counted(quarantined, { about: "quarantined", href: RULES, tone: "warning" }, "rule", " failed and skipped"),
  ({ storageLag }) =>
    storageLag < LAG_BEHIND
      ? undefined
      : {
          about: "store",
          words: `Store behind by ${formatCount(storageLag)} entries`,
          href: PIPELINE,
          tone: "warning",
        },
  ({ census }) => {
    const href = devicesHref({ state: "partly-silent" });
    return counted(census.partlySilent, { about: "partly-silent", href, tone: "warning" }, "device", " partly silent");
  },
  ({ deadLetters }) => refusedFact("dead-letters", "dead letter", deadLetters, "warning"),
  ({ dropped }) => refusedFact("dropped", "dropped message", dropped, "warning"),
  ({ acknowledged }) =>
    counted(acknowledged, { about: "acknowledged", href: ACKNOWLEDGED, tone: "warning" }, "acknowledged alert"),
  ({ silenced }) => counted(silenced, { about: "silenced", href: ALERTS, tone: "warning" }, "silenced alert"),
  ({ firing }) => counted(firing.info, { about: "info", href: ALERTS, tone: "quiet" }, "notice"),
  ({ shadow }) => counted(shadow, { about: "shadow", href: ALERTS, tone: "quiet" }, "alert", " in shadow"),
  ({ pending }) => counted(pending, { about: "pending", href: PENDING, tone: "quiet" }, "alert", " pending"),
  ({ ruleWarnings }) =>
    counted(ruleWarnings, { about: "rule-warnings", href: RULES, tone: "quiet" }, "warning", " about rules"),
  ({ census }) => {
    const href = devicesHref({ state: "partly-unwatched" });
    const about = { about: "unwatched-metrics", href, tone: "quiet" } as const;
    return counted(census.unwatchedMetrics, about, "metric", " not watched");
  },
  ({ deadLetters }) => refusedFact("dead-letters", "dead letter", deadLetters, "quiet"),
  ({ dropped }) => refusedFact("dropped", "dropped message", dropped, "quiet"),
];

function counted(count: number, about: Omit<Fact, "words">, one: string, after = ""): Fact | undefined {
  return count === 0 ? undefined : { ...about, words: `${plural(count, one)}${after}` };
}

/** The rules screen shows the notice of the processors, which is about rule files. */
function hrefOfNotice(service: string): string {
  return service === "processors" ? RULES : PIPELINE;
}

function isAllSilent({ devices, silent }: Census): boolean {
  return devices > 1 && silent === devices;
}

function silentFact(census: Census): Fact | undefined {
  const { silent, devices } = census;
  if (silent === 0) return undefined;
  const words = isAllSilent(census)
    ? `All ${formatCount(devices)} devices are silent`
    : `${plural(silent, "device")} silent`;
  return { about: "silent", words, href: devicesHref({ state: "silent" }), tone: "warning" };
}

/** Only what was refused lately needs a person now: letters stay in the log for days. */
function refusedFact(about: string, one: string, refused: Refused, tone: "warning" | "quiet"): Fact | undefined {
  if (refused.total === 0 || refused.grows !== (tone === "warning")) return undefined;
  const named = refused.reasons.slice(0, REASONS_NAMED).map(([reason]) => reason);
  const more = refused.reasons.length - named.length;
  const why = named.length === 0 ? "" : `: ${named.join(", ")}${more > 0 ? `, ${more} more` : ""}`;
  return { about, words: `${plural(refused.total, one)}${why}`, href: PIPELINE, tone };
}
