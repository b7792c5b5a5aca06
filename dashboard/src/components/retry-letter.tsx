import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { LetterRetry, RetryResult } from "../../../contracts/dead-letters.ts";
import type { DeadLetterSummary } from "../../../contracts/http/dead-letters.ts";
import { wordsOf } from "../app/api-error.ts";
import { usePage } from "../app/page.ts";
import { letterHref } from "../app/route.ts";
import { formatInstant, plural } from "../lib/format.ts";

/** Bounded: a gateway that always has more would otherwise get requests without end. */
const PIECES_MAX = 1_000;

/** Retries one letter, or shows the outcome. Empty for a letter that cannot be retried. */
export function RetryLetter(props: {
  readonly letter: DeadLetterSummary;
  readonly size: "small" | "large";
  onRetried(result: RetryResult): void;
}): JSX.Element {
  const { api, kiosk, settings } = usePage();
  const { letter, size, onRetried } = props;
  const sending = useSignal(false);
  const problem = useSignal<string | undefined>(undefined);
  const place = useRef<HTMLDivElement>(null);
  async function send(): Promise<void> {
    if (sending.value) return;
    sending.value = true;
    problem.value = undefined;
    try {
      onRetried(await api.retryLetter(letter.sequence, settings.who.peek()));
      // The button disappears, so the focus moves to its row, for people who use the keyboard.
      const row = place.current?.closest("li")?.querySelector<HTMLElement>("[data-row]");
      (row ?? place.current)?.focus();
    } catch (error) {
      problem.value = wordsOf(error);
    } finally {
      sending.value = false;
    }
  }
  return (
    <div class="retry" ref={place} tabIndex={-1} data-outcome={letter.retry?.outcome}>
      {letter.retryable && !kiosk && (
        <button
          type="button"
          class={size === "small" ? "small-button" : "order-button"}
          aria-label={`Retry letter ${letter.sequence}`}
          // Not `disabled`, which would remove the focus.
          aria-disabled={sending.value}
          onClick={() => void send()}
        >
          {sending.value ? "Retrying" : "Retry"}
        </button>
      )}
      <span role="status">{letter.retry !== undefined && <Outcome retry={letter.retry} size={size} />}</span>
      <span class="order-problem" role="alert">
        {problem.value ?? ""}
      </span>
    </div>
  );
}

function Outcome({ retry, size }: { readonly retry: LetterRetry; readonly size: "small" | "large" }): JSX.Element {
  const zone = usePage().settings.zone.value;
  const { outcome, readings, letter, by, atUs } = retry;
  const when = `${formatInstant(atUs, zone)}${by === "" ? "" : ` by ${by}`}`;
  const next = letter === undefined ? undefined : <a href={letterHref(letter)}>letter {letter}</a>;
  return (
    <span class="retry-outcome" data-outcome={outcome} title={size === "small" ? when : undefined}>
      {outcome === "stored" && `Stored: ${plural(readings, "reading")}`}
      {outcome === "empty" && "No source reads this message"}
      {outcome === "refused" && <>Refused again, now {next}</>}
      {size === "large" && `, ${when}`}
    </span>
  );
}

/** Retries all letters that have not been retried yet, oldest first, and shows its progress. */
export function RetryAll({ onDone }: { onDone(): void }): JSX.Element {
  const { api, settings } = usePage();
  const progress = useSignal("");
  const running = useSignal(false);
  const problem = useSignal<string | undefined>(undefined);
  async function run(): Promise<void> {
    if (running.value) return;
    running.value = true;
    problem.value = undefined;
    const counts: Record<string, number> = {};
    try {
      let from: { readonly before?: number; readonly after?: number } = {};
      for (let piece = 0; piece < PIECES_MAX; piece++) {
        const { results, before, next } = await api.retryLetters({ ...from, by: settings.who.peek() });
        for (const { outcome } of results) counts[outcome] = (counts[outcome] ?? 0) + 1;
        progress.value = countWords(counts);
        if (next === undefined) break;
        from = { before, after: next };
      }
    } catch (error) {
      problem.value = wordsOf(error);
    } finally {
      running.value = false;
      onDone();
    }
  }
  return (
    <div class="retry retry-all">
      <span role="status">{progress.value}</span>
      <span class="order-problem" role="alert">
        {problem.value ?? ""}
      </span>
      <button type="button" class="small-button" aria-disabled={running.value} onClick={() => void run()}>
        {running.value ? "Retrying" : "Retry all"}
      </button>
    </div>
  );
}

const WORDS: Readonly<Record<string, string>> = {
  stored: "stored",
  empty: "without readings",
  refused: "refused again",
  "already-done": "retried before",
};

function countWords(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([outcome, count]) => `${count} ${WORDS[outcome] ?? outcome}`);
  return parts.length === 0 ? "Nothing left to retry" : parts.join(", ");
}
