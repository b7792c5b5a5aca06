import { type Result, STATEMENTS, VERSION_NAMES } from "./run.ts";
import type { Statement } from "./statements/statement.ts";
import type { Version } from "./wire/bytes.ts";
import { TRANSPORTS, type Transport } from "./wire/wire.ts";

export type Verdict = "pass" | "FAIL" | "";

export interface Row {
  readonly version: Version;
  readonly id: string;
  readonly statement: Statement;
  /** Empty where nothing ran. */
  readonly verdicts: Readonly<Record<Transport, Verdict>>;
  readonly faults: readonly string[];
}

/** One row for each statement of both versions. */
export function rowsOf(results: readonly Result[]): readonly Row[] {
  return ([4, 5] as const).flatMap((version) =>
    Object.entries(STATEMENTS[version]).map(([id, statement]) => rowOf({ version, id, statement }, results)),
  );
}

function rowOf(at: Pick<Row, "version" | "id" | "statement">, results: readonly Result[]): Row {
  const verdicts: Record<Transport, Verdict> = { tcp: "", ws: "", tls: "" };
  const faults: string[] = [];
  for (const { check, version, transport, fault, violations } of results) {
    if (version !== at.version) continue;
    const violated = violations.find(({ statement }) => statement === at.id);
    const covers = at.statement.watched === true || check.covers[version]?.includes(at.id) === true;
    const failed = violated?.text ?? (at.statement.watched === true ? undefined : fault);
    if (covers || violated !== undefined) {
      if (failed !== undefined) faults.push(`${transport}, ${check.name}: ${failed}`);
      if (failed !== undefined) verdicts[transport] = "FAIL";
      else if (verdicts[transport] === "") verdicts[transport] = "pass";
    }
  }
  return { ...at, verdicts, faults };
}

/** The table as text for a terminal. */
export function textTable(rows: readonly Row[]): string {
  const lines = rows.map(({ version, id, statement, verdicts }) => {
    const name = `${VERSION_NAMES[version]} MQTT-${id}`.padEnd(22);
    const cells = TRANSPORTS.map((transport) => verdicts[transport].padEnd(5)).join("");
    return `${name}${cells}${statement.text}${statement.none === undefined ? "" : ` (${statement.none})`}`;
  });
  return `${[`${"statement".padEnd(22)}tcp  ws   tls`, ...lines].join("\n")}\n`;
}

export interface Summary {
  readonly statements: number;
  readonly tested: number;
  readonly failed: number;
}

export function summaryOf(rows: readonly Row[]): Summary {
  const failed = rows.filter((row) => row.faults.length > 0).length;
  return {
    statements: rows.length,
    tested: rows.filter(({ statement }) => statement.none === undefined).length,
    failed,
  };
}
