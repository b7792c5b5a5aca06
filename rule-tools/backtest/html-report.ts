import { isFault } from "../../platform/files/fault.ts";
import { parseCondition } from "../../rule-language/conditions/condition.ts";
import { conditionTexts, levelsOf } from "../../rule-language/spec/levels-spec.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { type BacktestOutcome, roundedDuration, traceName } from "./backtest.ts";
import type { AlertDiff } from "./diff.ts";
import type { FiringSpan } from "./firing-spans.ts";
import { day, labels, spanText, warnings } from "./table-report.ts";
import type { Trace } from "./trace.ts";

/** More charts would make the page slow. The tables list all alerts. */
const CHARTS_MAX = 40;
const SPANS_LISTED_MAX = 500;
const WIDTH = 960;
const HEIGHT = 150;
const LANE = 12;
const LEFT = 46;

const STYLE = `:root{color-scheme:light dark;--ink:#1b2430;--soft:#5d6b7c;--line:#2667c9;--before:#8a94a3;--after:#d9480f;--gained:#2b8a3e;--lost:#c92a2a;--moved:#b7791f;--rule:#d5dbe3;--back:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa7b8;--line:#6ea8fe;--before:#7b8797;--after:#ff8a5c;--gained:#69db7c;--lost:#ff8787;--moved:#ffd43b;--rule:#38424f;--back:#14181e}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2.5rem 0 .25rem}h3{font-size:.95rem;margin:1.25rem 0 .25rem}p{margin:.25rem 0;color:var(--soft)}
table{border-collapse:collapse;margin:.5rem 0;font-variant-numeric:tabular-nums}th,td{padding:.15rem .75rem;text-align:right;border-bottom:1px solid var(--rule)}
th:first-child,td:first-child{text-align:left;padding-left:0}th{font-weight:600;color:var(--soft)}svg{display:block;width:100%;height:auto}
text{fill:var(--soft);font:10px system-ui,sans-serif}.gained{color:var(--gained)}.lost{color:var(--lost)}.moved{color:var(--moved)}
code,pre{font:13px/1.5 ui-monospace,monospace}pre{overflow-x:auto}details{margin:.25rem 0}summary{cursor:pointer;color:var(--soft)}`;

/** A self-contained page with the firings, the differences, and charts of the alerts with the most differences. */
export function htmlReport(outcome: BacktestOutcome, title: string): string {
  const { readings, fromUs, toUs, candidate, live, totals, diff } = outcome;
  const shown = diff.filter((alert) => !live || changes(alert) > 0);
  const charts = new Set(
    shown.toSorted((a, b) => changes(b) - changes(a) || b.totals.after - a.totals.after).slice(0, CHARTS_MAX),
  );
  const changed = (rule: string) => diff.some((alert) => alert.rule === rule && changes(alert) > 0);
  const rules = [...new Set(diff.map(({ rule }) => rule))].sort((a, b) => Number(changed(b)) - Number(changed(a)));
  const sections = rules.map((rule) =>
    ruleSection(
      outcome,
      rule,
      diff.filter((alert) => alert.rule === rule),
      charts,
    ),
  );
  const notes = [
    ...warnings(outcome),
    ...(shown.length > CHARTS_MAX
      ? [`Charts of the ${CHARTS_MAX} alerts with the most changes; the tables list all ${shown.length}.`]
      : []),
  ];
  const sum = live
    ? `<span class="gained">${totals.gained} gained</span>, <span class="lost">${totals.lost} lost</span>, <span class="moved">${totals.moved} moved</span>, ${totals.same} the same; firing ${roundedDuration(totals.firingUsBefore)} before, ${roundedDuration(totals.firingUsAfter)} after`
    : `fired ${totals.after} times, ${roundedDuration(totals.firingUsAfter)} in all`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${html(title)}</title><style>${STYLE}</style></head>
<body><h1>${html(title)}</h1>
<p>${readings} readings from ${day(fromUs)} to ${day(toUs)}; ${candidate.windows} windows, ${candidate.changes} alert changes</p>
<p>${sum}</p>
${notes.map((note) => `<p>${html(note)}</p>`).join("\n")}
${sections.join("\n") || "<p>Nothing fired.</p>"}
</body></html>
`;
}

function changes({ totals }: AlertDiff): number {
  return totals.gained + totals.lost + totals.moved;
}

function ruleSection(
  outcome: BacktestOutcome,
  rule: string,
  alerts: readonly AlertDiff[],
  charts: ReadonlySet<AlertDiff>,
): string {
  const { candidate, live } = outcome;
  const after = candidate.specs.find(({ id }) => id === rule);
  const before = live?.specs.find(({ id }) => id === (alerts[0]?.ruleBefore ?? rule));
  const words = (spec: RuleSpec | undefined) => (spec ? `<code>${html(conditionWords(spec))}</code>` : "missing");
  const intro = `<h2>${html(rule)}</h2>
<p>${live && conditionOf(before) !== conditionOf(after) ? `${words(before)} became ${words(after)}` : words(after ?? before)}</p>`;
  const same = alerts.reduce((sum, { totals }) => sum + totals.same, 0);
  if (live && alerts.every((alert) => changes(alert) === 0)) return `${intro}\n<p>No difference: ${same} the same.</p>`;
  const head = live ? ["", "gained", "lost", "moved", "same", "firing before", "after"] : ["", "times", "firing"];
  const rows = alerts.map(({ key, totals }) => {
    const { gained, lost, moved, same, firingUsBefore, firingUsAfter } = totals;
    const cells = live
      ? [gained, lost, moved, same, roundedDuration(firingUsBefore), roundedDuration(firingUsAfter)]
      : [totals.after, roundedDuration(firingUsAfter)];
    return `<tr><td>${html(labels(key))}</td>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
  });
  const shown = alerts.filter((alert) => charts.has(alert));
  return `${intro}
<table><tr>${head.map((cell) => `<th>${cell}</th>`).join("")}</tr>${rows.join("")}</table>
${shown.map((alert) => chartSection(outcome, alert, { before, after })).join("\n")}`;
}

function conditionOf(spec: RuleSpec | undefined): string {
  return spec ? conditionWords(spec) : "";
}

function conditionWords(spec: RuleSpec): string {
  const { aggregate, absent } = spec;
  if (absent !== undefined) return `absent ${absent}`;
  const levels = levelsOf(spec).map(({ severity, when, clear }) => {
    const words = `${when}${spec.levels === undefined ? "" : ` (${severity})`}`;
    return clear === undefined ? words : `${words}, clear ${clear}`;
  });
  const parts = [
    `${spec.let === undefined ? `${aggregate[0]} ` : ""}${levels.join(", ")}`,
    ...(spec.for === "0s" ? [] : [`for ${spec.for}`]),
  ];
  return parts.join(", ");
}

function chartSection(
  outcome: BacktestOutcome,
  alert: AlertDiff,
  specs: { before: RuleSpec | undefined; after: RuleSpec | undefined },
): string {
  const { candidate, live } = outcome;
  const trace =
    candidate.traces.get(traceName(alert.rule, alert.key)) ?? live?.traces.get(traceName(alert.ruleBefore, alert.key));
  const listed = alert.spans.filter(({ kind }) => !live || kind !== "same");
  const lines = listed
    .slice(0, SPANS_LISTED_MAX)
    .map((span) =>
      live ? `<span class="${span.kind}">${spanText(span)}</span>` : spanText(span).replace(/^gained/, "fired "),
    );
  return `<h3>${html(labels(alert.key))}</h3>
${chart(outcome, alert, trace, specs)}
<details><summary>${listed.length} ${live ? "differences" : "firings"}</summary><pre>${lines.join("\n")}</pre></details>`;
}

function chart(
  { fromUs, toUs, live }: BacktestOutcome,
  alert: AlertDiff,
  trace: Trace | undefined,
  specs: { before: RuleSpec | undefined; after: RuleSpec | undefined },
): string {
  const points = trace?.points() ?? [];
  const limits = { before: live ? limitsOf(specs.before) : [], after: limitsOf(specs.after) };
  const values = [...points.flatMap(({ min, max }) => [min, max]), ...limits.before, ...limits.after];
  const low = Math.min(...values);
  const high = Math.max(...values);
  const x = (atUs: number) => round(LEFT + ((atUs - fromUs) / Math.max(1, toUs - fromUs)) * (WIDTH - LEFT));
  const y = (value: number) => round(6 + (1 - (value - low) / (high - low || 1)) * (HEIGHT - 12));
  const lanes = live ? 2 : 1;
  const line = points.map(({ atUs, min, max }, i) => `${i === 0 ? "M" : "L"}${x(atUs)} ${y(min)}V${y(max)}`).join("");
  const rule = (colour: string) => (limit: number) =>
    `<path d="M${LEFT} ${y(limit)}H${WIDTH}" stroke="var(--${colour})" stroke-dasharray="5 3"/>`;
  const lane = (spans: readonly (FiringSpan | undefined)[], place: number, colour: string) =>
    spans
      .flatMap((span) =>
        span
          ? [
              `<rect x="${x(span.fromUs)}" y="${HEIGHT + 2 + place * LANE}" width="${Math.max(1, round(x(span.toUs) - x(span.fromUs)))}" height="${LANE - 3}" fill="var(--${colour})"><title>${day(span.fromUs)} to ${day(span.toUs)}</title></rect>`,
            ]
          : [],
      )
      .join("");
  const laneName = (text: string, place: number) => `<text x="0" y="${HEIGHT + 10 + place * LANE}">${text}</text>`;
  const total = HEIGHT + lanes * LANE + 16;
  return `<svg viewBox="0 0 ${WIDTH} ${total}" role="img" aria-label="${html(`${alert.rule} ${labels(alert.key)}`)}">
${points.length > 0 ? `<text x="0" y="12">${short(high)}</text><text x="0" y="${HEIGHT - 4}">${short(low)}</text><path d="${line}" fill="none" stroke="var(--line)"/>` : ""}
${limits.before.map(rule("before")).join("")}${limits.after.map(rule("after")).join("")}
${
  live
    ? lane(
        alert.spans.map(({ before }) => before),
        0,
        "before",
      ) + laneName("before", 0)
    : ""
}${lane(
  alert.spans.map(({ after }) => after),
  lanes - 1,
  "after",
)}${laneName(live ? "after" : "fired", lanes - 1)}
<text x="${LEFT}" y="${total - 3}">${day(fromUs)}</text><text x="${WIDTH}" y="${total - 3}" text-anchor="end">${day(toUs)}</text>
</svg>`;
}

/** The limits in its conditions. */
function limitsOf(spec: RuleSpec | undefined): number[] {
  return conditionTexts(spec ?? {}).flatMap(({ text }) => {
    const condition = parseCondition(text);
    if (isFault(condition) || condition.kind === "text") return [];
    return condition.kind === "compare" ? [condition.limit] : [condition.low, condition.high];
  });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function html(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
