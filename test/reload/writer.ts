import { appendFile, rename, rm, symlink, unlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../simulation/random.ts";
import { type RuleFiles, textOf, type WrittenRule } from "./rule-files.ts";

/** What another program may see halfway through a way of writing. */
const HALFWAY_MS = [20, 120] as const;
const BROKEN = [
  (text: string) => text.replace("rules:", "rules: ["),
  (text: string) => `${text}  - id: broken\n    when: "> 1\n`,
  (text: string) => text.replace("where:", "were:"),
  (text: string) => `${text}${text.slice("rules:\n".length)}`,
  (text: string) => text.replace(/when: .*/, "when: soon"),
  () => "",
];

export type Way = "renamed" | "in place" | "halfway" | "as vim does" | "twice" | "broken first";
const WAYS: readonly Way[] = ["renamed", "in place", "halfway", "as vim does", "twice", "broken first"];

export interface Writing {
  readonly way: Way;
  readonly startedAtUs: number;
  readonly endedAtUs: number;
  /** The longest time for which unintended content was on the disk. */
  readonly halfwayMs: number;
}

interface WriterOptions {
  readonly folder: string;
  readonly random: Random;
  readonly nowUs: () => number;
  /** Resolves when the gateway has logged that the files are broken. */
  readonly untilRefused: () => Promise<void>;
}

/** Writes files as editors, copy programs and people do. */
export class Writer {
  readonly #options: WriterOptions;
  #halfwayMs = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  async writeAll(files: RuleFiles): Promise<void> {
    for (const [name, rules] of files) await writeFile(this.#path(name), textOf(rules));
  }

  async write(name: string, rules: readonly WrittenRule[], wanted?: Way): Promise<Writing> {
    const { random, nowUs } = this.#options;
    const way = wanted ?? random.pick(WAYS);
    const text = this.#dressed(textOf(rules));
    this.#halfwayMs = 0;
    if (way === "broken first") {
      await writeFile(this.#path(name), random.pick(BROKEN)(textOf(rules)));
      await this.#options.untilRefused();
    }
    const startedAtUs = nowUs();
    await this.#writeBy(way, name, text, rules);
    return { way, startedAtUs, endedAtUs: nowUs(), halfwayMs: this.#halfwayMs };
  }

  async remove(name: string): Promise<Writing> {
    const { nowUs } = this.#options;
    const startedAtUs = nowUs();
    await unlink(this.#path(name));
    return { way: "in place", startedAtUs, endedAtUs: nowUs(), halfwayMs: 0 };
  }

  /** Makes edits that change no rule; resolves to how long the content looked changed. */
  async disturb(name: string): Promise<number> {
    const { random } = this.#options;
    const path = this.#path(name);
    this.#halfwayMs = 0;
    const kind = random.whole(0, 2);
    if (kind === 0) await utimes(path, new Date(), new Date());
    else if (kind === 1) {
      await this.#halfway(() => rename(path, `${path}~`));
      await rename(`${path}~`, path);
      this.#cameBack();
    } else {
      const lock = this.#path(`.#${name}`);
      await symlink("somebody@host.1:1", lock);
      await writeFile(this.#path(`.${name}.swp`), "\0\0");
      await rm(lock);
    }
    return this.#halfwayMs;
  }

  async #writeBy(way: Way, name: string, text: string, rules: readonly WrittenRule[]): Promise<void> {
    const { random } = this.#options;
    const path = this.#path(name);
    switch (way) {
      case "renamed":
      case "broken first":
        await writeFile(`${path}.tmp`, text);
        return rename(`${path}.tmp`, path);
      case "in place":
        return writeFile(path, text);
      case "halfway": {
        // At the end of a rule the part that is on the disk looks complete.
        const cut = random.chance(0.5) ? text.lastIndexOf("  - id:") : random.whole(1, text.length - 1);
        await this.#halfway(() => writeFile(path, text.slice(0, cut)));
        await appendFile(path, text.slice(cut));
        return this.#cameBack();
      }
      case "as vim does":
        await this.#halfway(() => rename(path, `${path}~`).catch(() => {}));
        await writeFile(path, text);
        this.#cameBack();
        return rm(`${path}~`, { force: true });
      case "twice":
        await this.#halfway(() => writeFile(path, textOf(rules.map((rule) => ({ ...rule, severity: "info" })))));
        await writeFile(path, text);
        return this.#cameBack();
    }
  }

  #sinceMs = 0;

  async #halfway(begin: () => Promise<void>): Promise<void> {
    this.#sinceMs = performance.now();
    await begin();
    await sleep(this.#options.random.whole(...HALFWAY_MS));
  }

  #cameBack(): void {
    this.#halfwayMs = performance.now() - this.#sinceMs;
  }

  /** Some editors add a byte order mark, and other line endings. */
  #dressed(text: string): string {
    return this.#options.random.chance(0.2) ? `\ufeff${text.replaceAll("\n", "\r\n")}` : text;
  }

  #path(name: string): string {
    return join(this.#options.folder, name);
  }
}
