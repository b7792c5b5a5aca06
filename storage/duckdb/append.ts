import type { DuckDBAppender, DuckDBConnection } from "@duckdb/node-api";

/**
 * Appends rows to a table in the open transaction; when it resolves, they are visible there. A failed appender is emptied:
 * DuckDB would otherwise append its rows once it is garbage, in the transaction that is open then.
 */
export async function append(
  connection: DuckDBConnection,
  table: string,
  fill: (appender: DuckDBAppender) => void,
): Promise<void> {
  const appender = await connection.createAppender(table);
  try {
    fill(appender);
    appender.closeSync();
  } catch (error) {
    appender.clear();
    throw error;
  }
}
