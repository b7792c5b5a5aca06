import type { DuckDBConnection } from "@duckdb/node-api";

/** All rows of a query, with counts and instants as numbers. */
export async function rows<Row>(connection: DuckDBConnection, sql: string): Promise<Row[]> {
  const reader = await connection.runAndReadAll(sql);
  return reader.getRowObjectsJS().map((row) => {
    const plain: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(row)) plain[name] = typeof value === "bigint" ? Number(value) : value;
    // The caller wrote the query, so it knows the columns.
    return plain as Row;
  });
}

/** The result of a query that returns one number. */
export async function number(connection: DuckDBConnection, sql: string): Promise<number> {
  const [row] = await rows<Record<string, unknown>>(connection, sql);
  return Number(Object.values(row ?? {})[0] ?? Number.NaN);
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
