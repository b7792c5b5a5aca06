import type { JSX } from "preact";
import { usePage } from "../app/page.ts";
import { plural } from "../lib/format.ts";

/** What is wrong in the rule files. A token for some sites shows only that something is. */
export function RuleProblems(): JSX.Element | null {
  const { ruleFiles, readiness } = usePage();
  const known = ruleFiles.value;
  const processors = readiness.value?.services.filter(({ name }) => name === "processors") ?? [];
  const notices = new Set(processors.flatMap(({ notice }) => notice ?? []));
  const { errors = 0, warnings = 0, problems = [] } = known ?? {};
  const more = errors + warnings - problems.length;
  return (
    <>
      {[...notices].map((notice) => (
        <p key={notice} class="screen-words note-warning" role="status">
          {notice}
        </p>
      ))}
      {problems.length > 0 && (
        <section class="panel rule-problems" aria-labelledby="problems-title">
          <div class="panel-head">
            <h2 id="problems-title">
              {[errors > 0 ? plural(errors, "error") : "", warnings > 0 ? plural(warnings, "warning") : ""]
                .filter((words) => words !== "")
                .join(" and ")}{" "}
              in rule files
            </h2>
          </div>
          <ul>
            {problems.map(({ severity, code, file, line, column, message, help }) => (
              <li
                class="problem"
                key={`${file}:${line}:${column}:${message}`}
                data-severity={severity === "error" ? "critical" : "warning"}
              >
                <span class="problem-place">
                  {file}:{line}:{column}
                </span>
                <span>
                  <strong>{[severity, code].filter((word) => word !== undefined).join(" ")}:</strong> {message}
                  {help !== undefined && <span class="problem-help">; {help}</span>}
                </span>
              </li>
            ))}
          </ul>
          {more > 0 && (
            <p class="quiet">
              And {more} more. <code>weir rules check</code> lists all of them.
            </p>
          )}
        </section>
      )}
    </>
  );
}
