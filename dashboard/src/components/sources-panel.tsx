import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { SourceInForce, SourcesInForce } from "../../../contracts/sources.ts";
import { usePage } from "../app/page.ts";
import { formatCount } from "../lib/format.ts";

const EVERY_MS = 10_000;

/** The sources in force with what they took, what is probably wrong with them, and errors in weir.yaml. */
export function SourcesPanel(): JSX.Element | null {
  const { api } = usePage();
  const known = useSignal<SourcesInForce | undefined>(undefined);
  useEffect(() => {
    // A token for some sites does not show them, and the next round may succeed.
    const ask = () =>
      void api
        .sources()
        .then((answer) => (known.value = answer))
        .catch(() => {});
    ask();
    const timer = setInterval(ask, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  if (known.value === undefined) return null;
  const { file, sources } = known.value;
  const more = file.errors - file.problems.length;
  return (
    <section class="panel sources" aria-labelledby="sources-title">
      <div class="panel-head">
        <h2 id="sources-title">Sources</h2>
        <span class="count">{formatCount(sources.length)}</span>
      </div>
      {file.problems.length > 0 && (
        <div class="note-warning" role="status">
          <p>The configuration has problems: the previous one stays in force.</p>
          <ul class="source-problems">
            {file.problems.map(({ file: name, line, column, message }) => (
              <li key={`${line}:${column}:${message}`}>
                <span class="problem-place">
                  {name}:{line}:{column}
                </span>{" "}
                {message}
              </li>
            ))}
            {more > 0 && <li class="quiet">And {more} more.</li>}
          </ul>
        </div>
      )}
      {file.waiting.length > 0 && (
        <p class="note-warning" role="status">
          Changed, and in force with the next start: {file.waiting.join(", ")}
        </p>
      )}
      <ol class="source-list">
        {sources.map((source, i) => (
          <Source key={i} source={source} />
        ))}
      </ol>
    </section>
  );
}

function Source({ source: { topics, format, ignored, messages, warnings } }: { readonly source: SourceInForce }) {
  return (
    <li class="source">
      <span class="source-topics">
        {topics.map((topic) => (
          <code key={topic}>{topic}</code>
        ))}
      </span>
      <span class="quiet">{ignored ? "ignored" : format}</span>
      <span class="source-count">{formatCount(messages)}</span>
      {warnings.map(({ code, message }) => (
        <p class="source-warning" data-severity="warning" key={code}>
          {message}
        </p>
      ))}
    </li>
  );
}
