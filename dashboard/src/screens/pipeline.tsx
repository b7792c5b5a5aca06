import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { RetryResult } from "../../../contracts/dead-letters.ts";
import type { DeadLetterSummary } from "../../../contracts/http/dead-letters.ts";
import { wordsOf } from "../app/api-error.ts";
import { usePage } from "../app/page.ts";
import { letterHref } from "../app/route.ts";
import { FlowDiagram } from "../components/flow-diagram.tsx";
import { HealthPanel } from "../components/health-panel.tsx";
import { LetterTopics } from "../components/letter-topics.tsx";
import { RetryAll, RetryLetter } from "../components/retry-letter.tsx";
import { SourcesPanel } from "../components/sources-panel.tsx";
import { formatCount, formatInstant, plural } from "../lib/format.ts";

const LETTERS_MAX = 500;

/** The path of a reading: how much passes each part, how much waits there, and the dead letters. */
export function PipelineScreen(): JSX.Element {
  const { kiosk } = usePage();
  return (
    <div class="pipeline-screen">
      <div class="screen-head">
        <h1>Pipeline</h1>
      </div>
      <FlowDiagram />
      <div class="columns">
        <Letters />
        <div class="side">
          <SourcesPanel />
          <Counters />
          {!kiosk && <HealthPanel />}
        </div>
      </div>
    </div>
  );
}

/** What the gateway counted other than readings stored on time. */
function Counters(): JSX.Element {
  const figures = usePage().stats.figures.value;
  const dropped = [...(figures?.dropped ?? [])].filter(([, count]) => count > 0);
  return (
    <section class="panel" aria-labelledby="counters-title">
      <div class="panel-head">
        <h2 id="counters-title">Counters</h2>
      </div>
      <dl class="counted">
        <Fact name="Late, applied as corrections" value={formatCount(figures?.late.get("applied"))} />
        <Fact name="Late, dropped" value={formatCount(figures?.late.get("dropped"))} />
        <Fact name="Duplicates" value={formatCount(figures?.duplicates)} />
        <Fact name="Clock ahead" value={formatCount(figures?.clockAhead)} />
        <Fact name="Clock fell back" value={formatCount(figures?.clockBehind)} />
        <Fact name="Local time that occurs twice" value={formatCount(figures?.localTimesGuessed)} />
        <Fact name="Updates skipped by slow pages" value={formatCount(figures?.conflated)} />
        <Fact name="Notifications failed" value={formatCount(figures?.notifierFailed)} />
        {dropped.map(([reason, count]) => (
          <Fact key={reason} name={`Dropped: ${reason}`} value={formatCount(count)} />
        ))}
      </dl>
      <p class="order-hint">Since each service started.</p>
    </section>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** The letters in the log, by reason. */
function Reasons(): JSX.Element | null {
  const reasons = [...(usePage().stats.figures.value?.deadLettersByReason ?? [])]
    .filter(([, count]) => count > 0)
    .sort((a, b) => b[1] - a[1]);
  if (reasons.length === 0) return null;
  return (
    <ul class="reasons" aria-label="Dead letters by reason">
      {reasons.map(([reason, count]) => (
        <li key={reason}>
          {reason} <strong>{formatCount(count)}</strong>
        </li>
      ))}
    </ul>
  );
}

/** The newest dead letters, reloaded when their number changes. */
function Letters(): JSX.Element {
  const { api, kiosk, stats, settings } = usePage();
  const letters = useSignal<readonly DeadLetterSummary[] | undefined>(undefined);
  const total = useSignal(0);
  const next = useSignal<number | undefined>(undefined);
  const problem = useSignal<string | undefined>(undefined);
  const counted = stats.figures.value?.deadLetters;
  async function load(before?: number): Promise<void> {
    try {
      const answer = await api.deadLetters(before);
      letters.value = before === undefined ? answer.letters : [...(letters.value ?? []), ...answer.letters];
      total.value = answer.total;
      next.value = answer.next;
      problem.value = undefined;
    } catch (error) {
      problem.value = wordsOf(error);
    }
  }
  function take({ sequence, retry }: RetryResult): void {
    letters.value = letters.value?.map((letter) =>
      letter.sequence === sequence && retry !== undefined ? { ...letter, retryable: false, retry } : letter,
    );
  }
  useEffect(() => {
    void load();
  }, [counted]);
  const zone = settings.zone.value;
  return (
    <section class="panel" aria-labelledby="letters-title">
      <div class="panel-head">
        <h2 id="letters-title">Dead letters</h2>
        <span class="count">{formatCount(total.value)}</span>
        {!kiosk && letters.value?.some(({ retryable }) => retryable) && <RetryAll onDone={() => void load()} />}
      </div>
      <Reasons />
      {total.value > 0 && <LetterTopics onDismissed={() => void load()} />}
      {problem.value !== undefined && <p class="quiet">{problem.value}</p>}
      {letters.value?.length === 0 && <p class="quiet">No dead letters.</p>}
      {letters.value !== undefined && letters.value.length > 0 && (
        <ul class="letters">
          {letters.value.map((letter) => (
            <li key={letter.sequence} class="letter-row">
              <a class="letter" href={letterHref(letter.sequence)} data-row data-letter={letter.sequence}>
                <span class="letter-reason">{letter.reason}</span>
                <span class="letter-when">{formatInstant(letter.storedAtUs, zone)}</span>
                <span class="letter-topic">{letter.topic}</span>
                <span class="letter-detail">{letter.detail}</span>
              </a>
              <RetryLetter letter={letter} size="small" onRetried={take} />
            </li>
          ))}
        </ul>
      )}
      {next.value !== undefined && (letters.value?.length ?? 0) < LETTERS_MAX && (
        <button type="button" class="more" onClick={() => void load(next.value)}>
          Show older letters
        </button>
      )}
      {next.value !== undefined && (letters.value?.length ?? 0) >= LETTERS_MAX && (
        <p class="quiet">
          This page lists the newest {plural(letters.value?.length ?? 0, "letter")}.{" "}
          <code>weir deadletters list --reason</code> finds older ones.
        </p>
      )}
    </section>
  );
}
