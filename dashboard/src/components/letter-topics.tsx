import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { DeadLetterTopics } from "../../../contracts/http/dead-letters.ts";
import { wordsOf } from "../app/api-error.ts";
import { usePage } from "../app/page.ts";
import { formatCount, plural } from "../lib/format.ts";

/** Bounded: a gateway that always has more would otherwise get requests without end. */
const PIECES_MAX = 1_000;

/** Which topics have dead letters, loaded when it is opened; those that nobody needs can be dismissed. */
export function LetterTopics({ onDismissed }: { onDismissed(): void }): JSX.Element {
  const { api } = usePage();
  const found = useSignal<DeadLetterTopics | undefined>(undefined);
  const problem = useSignal("");
  async function load(): Promise<void> {
    try {
      found.value = await api.letterTopics();
      problem.value = "";
    } catch (error) {
      problem.value = wordsOf(error);
    }
  }
  return (
    <details class="letter-topics" onToggle={(event) => event.currentTarget.open && void load()}>
      <summary>By topic</summary>
      <p class="quiet">
        A source with the topic and <code>ignore: true</code> keeps more from coming.
        {found.value?.hasMore && ` Of the newest ${plural(found.value.counted, "letter")}.`}
      </p>
      <p class="order-problem" role="alert">
        {problem.value}
      </p>
      <ul>
        {found.value?.topics.map(({ topic, letters }) => (
          <li key={topic} data-topic={topic}>
            <code>{topic}</code> <strong>{formatCount(letters)}</strong>
            <Dismiss
              topic={topic}
              onDone={() => {
                void load();
                onDismissed();
              }}
            />
          </li>
        ))}
      </ul>
    </details>
  );
}

/** The first press asks, the second one deletes. */
function Dismiss({ topic, onDone }: { readonly topic: string; onDone(): void }): JSX.Element | null {
  const { api, kiosk, settings } = usePage();
  const state = useSignal<"idle" | "asks" | "runs">("idle");
  const problem = useSignal("");
  async function press(): Promise<void> {
    if (state.value === "runs") return;
    if (state.value === "idle") {
      state.value = "asks";
      return;
    }
    state.value = "runs";
    try {
      let from: { readonly before?: number; readonly after?: number } = {};
      for (let piece = 0; piece < PIECES_MAX; piece++) {
        const { before, next } = await api.dismissLetters({ topic, ...from, by: settings.who.peek() });
        if (next === undefined) break;
        from = { before, after: next };
      }
      onDone();
    } catch (error) {
      problem.value = wordsOf(error);
    } finally {
      state.value = "idle";
    }
  }
  if (kiosk) return null;
  return (
    <>
      <button
        type="button"
        class="small-button"
        aria-disabled={state.value === "runs"}
        onClick={() => void press()}
        onBlur={() => {
          if (state.value === "asks") state.value = "idle";
        }}
      >
        {state.value === "idle" ? "Dismiss" : state.value === "asks" ? "Delete them for good" : "Deleting"}
      </button>
      <span class="order-problem" role="alert">
        {problem.value}
      </span>
    </>
  );
}
