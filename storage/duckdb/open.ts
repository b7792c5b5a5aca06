import { mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { reasonOf } from "../../domain/reason.ts";
import { UserError } from "../../domain/user-error.ts";
import type { DuckdbConfig } from "./config.ts";

/** The file cannot be opened. Retrying helps only when `busy`. */
class StoreFileError extends UserError {
  override readonly name = "StoreFileError";
  readonly file: string;
  readonly busy: boolean;

  constructor(message: string, options: { readonly file: string; readonly busy: boolean; readonly cause: unknown }) {
    super(message, { cause: options.cause });
    this.file = options.file;
    this.busy = options.busy;
  }
}

/** Two instances in one process would not see each other's lock on the file. */
const open = new Set<string>();

export interface OpenedFile {
  readonly instance: DuckDBInstance;
  close(): void;
}

/** Opens or creates a database file, for this process alone. */
export async function openDuckdb(config: DuckdbConfig): Promise<OpenedFile> {
  const file = resolve(config.file);
  if (open.has(file)) throw busy(file, "this process", undefined);
  open.add(file);
  try {
    await mkdir(dirname(file), { recursive: true });
    const instance = await DuckDBInstance.create(file, {
      memory_limit: `${Math.floor(config.memory_max / 1024)}KiB`,
      threads: String(config.threads),
      // Rows carry their times, so preserving insertion order would only cost memory.
      preserve_insertion_order: "false",
      // DuckDB must not download anything.
      autoinstall_known_extensions: "false",
    });
    return {
      instance,
      close() {
        instance.closeSync();
        open.delete(file);
      },
    };
  } catch (error) {
    open.delete(file);
    throw explain(file, error);
  }
}

function explain(file: string, error: unknown): Error {
  const text = reasonOf(error);
  if (/could not set lock/i.test(text)) {
    const holder = /held in ([^.]*?\(PID \d+\))/.exec(text)?.[1] ?? "another process";
    return busy(file, holder, error);
  }
  return new StoreFileError(`cannot open the database file ${file}: ${text.split("\n")[0]}`, {
    file,
    busy: false,
    cause: error,
  });
}

function busy(file: string, holder: string, cause: unknown): StoreFileError {
  return new StoreFileError(`the database file ${file} is open in ${holder}; only one process can use it`, {
    file,
    busy: true,
    cause,
  });
}
