import type { DuckDBConnection } from "@duckdb/node-api";
import type { Check } from "./compare.ts";
import { rows } from "./sql.ts";

const HOUR_US = 3_600_000_000;
const LIMIT = 250;
/** A tenth higher. */
const MOVED_LIMIT = 275;

function ruleOf(limit: number): string {
  return `rules:
  - { id: pm25, where: { metric: PM2.5 }, window: { tumbling: 1h }, aggregate: avg, when: "> ${limit}" }
`;
}

/** A rule file, and the same file with its limit raised by a tenth. */
export const LIMIT_YAML = ruleOf(LIMIT);
export const MOVED_LIMIT_YAML = ruleOf(MOVED_LIMIT);

/** The compared parts of the output of `weir rules backtest --diff --format json`. */
interface DiffReport {
  readonly totals: { readonly gained: number; readonly lost: number; readonly moved: number };
  readonly alerts: readonly {
    readonly key: Readonly<Record<string, string>>;
    readonly firings: readonly {
      readonly kind: string;
      readonly before?: Firing;
      readonly after?: Firing;
    }[];
  }[];
}

interface Firing {
  readonly fromUs: number;
  readonly toUs: number;
  readonly isOpen: boolean;
}

/** Runs of hours above a limit, in pure SQL: gaps and islands over the closed hours of `cells`. */
function firings(name: string, limit: number): string {
  return `
  CREATE OR REPLACE TEMP TABLE ${name} AS
  WITH hours AS (
    SELECT * FROM (
      SELECT device, (at_us // ${HOUR_US} + 1) * ${HOUR_US} AS e, avg(number) > ${limit} AS hot
      FROM cells WHERE metric = 'PM2.5' AND number IS NOT NULL GROUP BY ALL
    ) QUALIFY e < max(e) OVER (PARTITION BY device)
  ), turns AS (
    SELECT *, hot AND NOT coalesce(lag(hot) OVER w, false) AS begins, NOT hot AND coalesce(lag(hot) OVER w, false) AS ends
    FROM hours WINDOW w AS (PARTITION BY device ORDER BY e)
  )
  SELECT b.device, b.e AS f, (SELECT min(x.e) FROM turns x WHERE x.device = b.device AND x.ends AND x.e > b.e) AS t
  FROM turns b WHERE b.begins`;
}

/**
 * A value above the higher limit is above the lower one, so each new firing lies within an old one; the first is its
 * pair.
 */
const DIFF = `
  WITH pairs AS (
    SELECT o.device, o.f AS of, o.t AS ot, n.f AS nf, n.t AS nt, row_number() OVER (PARTITION BY o.device, o.f ORDER BY n.f) AS place
    FROM olds o LEFT JOIN news n ON n.device = o.device AND n.f >= o.f AND coalesce(n.t, 1e18) <= coalesce(o.t, 1e18)
  )
  SELECT device, CASE WHEN nf IS NULL THEN 'lost' WHEN place > 1 THEN 'gained'
    WHEN of = nf AND ot IS NOT DISTINCT FROM nt THEN 'same' ELSE 'moved' END AS kind,
    CASE WHEN place = 1 THEN of END AS before_from, CASE WHEN place = 1 THEN ot END AS before_to, nf AS after_from, nt AS after_to
  FROM pairs`;

/** Compares a report of `MOVED_LIMIT_YAML` against `LIMIT_YAML` with the firings that SQL computes from `cells`. */
export async function checkMovedThreshold(oracle: DuckDBConnection, reportJson: string): Promise<Check[]> {
  await oracle.run(firings("olds", LIMIT));
  await oracle.run(firings("news", MOVED_LIMIT));
  const expected = (await rows<object>(oracle, DIFF)).map((row) => JSON.stringify(Object.values(row))).sort();
  const { totals, alerts }: DiffReport = JSON.parse(reportJson);
  const ended = (firing: Firing | undefined) => (firing === undefined || firing.isOpen ? null : firing.toUs);
  const actual = alerts
    .flatMap(({ key, firings }) =>
      firings.map(({ kind, before, after }) =>
        JSON.stringify([key.device, kind, before?.fromUs ?? null, ended(before), after?.fromUs ?? null, ended(after)]),
      ),
    )
    .sort();
  const wrong = [
    ...expected.filter((one) => !actual.includes(one)).map((one) => `missing ${one}`),
    ...actual.filter((one) => !expected.includes(one)).map((one) => `not expected ${one}`),
  ];
  const count = (kind: string) => expected.filter((one) => one.includes(`"${kind}"`)).length;
  const same = (what: string, wanted: number, got: number): Check => ({
    what: `a limit moved by a tenth: ${what}`,
    expected: wanted,
    got,
    equal: wanted === got,
    examples: [],
  });
  return [
    same("firings gained", count("gained"), totals.gained),
    same("firings lost", count("lost"), totals.lost),
    same("firings moved", count("moved"), totals.moved),
    { ...same("firings that differ from SQL's", 0, wrong.length), examples: wrong.slice(0, 5) },
  ];
}
