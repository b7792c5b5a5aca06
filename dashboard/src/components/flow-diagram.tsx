import type { JSX } from "preact";
import { usePage } from "../app/page.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { formatAge, formatCount, formatRate, NO_VALUE, plural } from "../lib/format.ts";
import type { Figures, RateName } from "../store/stats.ts";

interface Node {
  readonly id: string;
  readonly label: string;
  readonly rate: RateName;
  readonly unit: string;
  readonly words: (figures: Figures | undefined) => string;
  /** Whether too much waits at this part. */
  readonly worry: (figures: Figures | undefined) => boolean;
}

const LAG_WORRY_SECONDS = 5;
const STORAGE_WORRY = 10_000;
const NOTIFIER_WORRY_SECONDS = 60;

const NODES: readonly Node[] = [
  {
    id: "broker",
    label: "Broker",
    rate: "broker",
    unit: "messages/s",
    words: (figures) => plural(figures?.brokerClients ?? 0, "client"),
    worry: () => false,
  },
  {
    id: "ingest",
    label: "Ingest",
    rate: "readings",
    unit: "readings/s",
    words: (figures) => plural(figures?.deadLetters ?? 0, "dead letter"),
    worry: () => false,
  },
  {
    id: "processors",
    label: "Processors",
    rate: "windows",
    unit: "windows/s",
    words: (figures) => `lag ${lagWords(figures?.processorLagSeconds)}, ${formatCount(figures?.keys)} keys`,
    worry: (figures) => (figures?.processorLagSeconds ?? 0) > LAG_WORRY_SECONDS,
  },
  {
    id: "storage",
    label: "Storage",
    rate: "stored",
    unit: "points/s",
    words: (figures) => `${formatCount(figures?.storageLag)} waiting${retentionWords(figures)}`,
    worry: (figures) => (figures?.storageLag ?? 0) > STORAGE_WORRY,
  },
  {
    id: "feed",
    label: "Pages",
    rate: "sent",
    unit: "updates/s",
    words: (figures) => plural(figures?.feedClients ?? 0, "page open", "pages open"),
    worry: () => false,
  },
  {
    id: "notifier",
    label: "Notifier",
    rate: "notifications",
    unit: "messages/s",
    words: (figures) => `${formatCount(figures?.notifierWaiting ?? 0)} waiting`,
    worry: (figures) => (figures?.notifierOldestSeconds ?? 0) > NOTIFIER_WORRY_SECONDS,
  },
];

/** The path of a reading through the gateway: how much passes each part in a second, and how much waits. */
export function FlowDiagram(): JSX.Element {
  const { stats } = usePage();
  const figures = stats.figures.value;
  return (
    <ol class="flow" aria-label="Path of a reading">
      {NODES.map(({ id, label, rate, unit, words, worry }) => (
        <li key={id} class={`flow-node flow-${id}`} data-worry={worry(figures)}>
          <span class="figure-label">{label}</span>
          <span class="figure">
            {formatRate(figures === undefined ? undefined : (figures.rates[rate] ?? 0))}{" "}
            <span class="figure-unit">{unit}</span>
          </span>
          <span class="figure-hint">{figures === undefined ? NO_VALUE : words(figures)}</span>
          <Sparkline points={stats.history[rate]} newest={stats.history[rate].newest} fromZero />
        </li>
      ))}
    </ol>
  );
}

function lagWords(seconds: number | undefined): string {
  if (seconds === undefined) return NO_VALUE;
  return seconds < 1 ? `${Math.max(0, Math.round(seconds * 1_000))} ms` : formatAge(seconds * 1_000_000);
}

/** Only if the log is about to drop entries that are not stored yet. */
function retentionWords(figures: Figures | undefined): string {
  const seconds = figures?.retentionSecondsLeft;
  if (seconds === undefined || seconds > 6 * 3_600 || (figures?.storageLag ?? 0) < STORAGE_WORRY) return "";
  return `, the log drops them in ${formatAge(seconds * 1_000_000)}`;
}
