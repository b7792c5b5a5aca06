import { appendFileSync, closeSync, openSync } from "node:fs";
import type { AlertChange } from "../../../domain/alert.ts";

const LINES_LENGTH_MAX = 65_536;

/** Writes alert changes to a file or to standard output, one JSON object a line. */
export class ChangeLines {
  readonly #path: string | undefined;
  #file: number | undefined;
  #lines: string[] = [];
  #length = 0;

  constructor(path: string | undefined) {
    this.#path = path;
  }

  readonly add = (change: AlertChange): void => {
    const line = `${JSON.stringify(change)}\n`;
    this.#lines.push(line);
    this.#length += line.length;
    if (this.#length >= LINES_LENGTH_MAX) this.#flush();
  };

  /** Writes the rest. Creates the file even if nothing was added. */
  close(): void {
    this.#flush();
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #flush(): void {
    const text = this.#lines.join("");
    this.#lines = [];
    this.#length = 0;
    if (this.#path === undefined) {
      process.stdout.write(text);
      return;
    }
    this.#file ??= openSync(this.#path, "w");
    appendFileSync(this.#file, text);
  }
}
