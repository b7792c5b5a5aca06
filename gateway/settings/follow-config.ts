import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { reasonOf } from "../../domain/reason.ts";
import { onFileChange } from "../../platform/files/file-watch.ts";
import { BadFileError, type FileProblem, formatProblems } from "../../platform/files/yaml-file.ts";
import { type PipelineConfig, parsePipelineConfig } from "./pipeline-config.ts";

/** Editors write in steps: a file counts when it stays the same for this long. */
const SETTLE_MS = 200;

/** What happens to `weir.yaml` while Weir runs. */
export interface ConfigEvents {
  /** `waiting`: settings that differ from those in force until the next start. */
  configLoaded(file: string, waiting: readonly string[]): void;
  configRefused(problems: string): void;
  /** The file is again as it is in force. */
  configFixed(): void;
}

export interface FollowConfigOptions {
  readonly file: string;
  /** The configuration that the gateway started with. */
  readonly started: PipelineConfig;
  /** Puts a configuration in force. Throws an error that says why it cannot be, and then changes nothing. */
  readonly apply: (config: PipelineConfig) => void;
  readonly events: ConfigEvents;
}

export interface FollowedConfig {
  /** What is in force, except `waiting`. */
  readonly inForce: PipelineConfig;
  /** Why the file as it is now is not in force. */
  readonly problems: readonly FileProblem[];
  /** Settings that the file changed, and that take effect with the next start only. */
  readonly waiting: readonly string[];
  stop(): void;
}

/**
 * Follows `weir.yaml`, which may not exist yet. A valid change is put in force at once, as far as the running gateway
 * can; a file with problems changes nothing.
 */
export function followConfig(options: FollowConfigOptions): FollowedConfig {
  const follower = new ConfigFollower(options);
  follower.start();
  return follower;
}

class ConfigFollower implements FollowedConfig {
  readonly #options: FollowConfigOptions;
  #inForce: PipelineConfig;
  #problems: readonly FileProblem[] = [];
  #waiting: readonly string[] = [];
  #wasThere: boolean;
  #unwatch = () => {};
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: FollowConfigOptions) {
    this.#options = options;
    this.#inForce = options.started;
    this.#wasThere = existsSync(options.file);
  }

  get inForce(): PipelineConfig {
    return this.#inForce;
  }

  get problems(): readonly FileProblem[] {
    return this.#problems;
  }

  get waiting(): readonly string[] {
    return this.#waiting;
  }

  start(): void {
    this.#unwatch = onFileChange(this.#options.file, () => void this.#settle());
    // It may have changed since the start read it.
    void this.#settle();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#unwatch();
  }

  /** Waits until the file stays the same. */
  async #settle(): Promise<void> {
    clearTimeout(this.#timer);
    const before = await this.#read();
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      const now = await this.#read();
      if (this.#isStopped) return;
      if (isDeepStrictEqual(now, before)) this.#take(now);
      else void this.#settle();
    }, SETTLE_MS);
    this.#timer.unref();
  }

  async #read(): Promise<FileText> {
    try {
      return { text: await readFile(this.#options.file, "utf8") };
    } catch (error) {
      return { unreadable: reasonOf(error) };
    }
  }

  #take(read: FileText): void {
    const { file, events } = this.#options;
    if ("unreadable" in read) {
      if (this.#wasThere) this.#refuse([wholeFile(file, `cannot be read: ${read.unreadable}`)]);
      return;
    }
    this.#wasThere = true;
    try {
      const config = parsePipelineConfig(read.text, file);
      const isSame = isDeepStrictEqual(config, this.#inForce);
      if (!isSame) this.#options.apply(config);
      const wasRefused = this.#problems.length > 0;
      this.#inForce = config;
      this.#problems = [];
      this.#waiting = waitingIn(this.#options.started, config);
      if (!isSame) events.configLoaded(file, this.#waiting);
      else if (wasRefused) events.configFixed();
    } catch (error) {
      const isFault = error instanceof BadFileError;
      this.#refuse(isFault ? error.problems : [wholeFile(file, `cannot be put in force: ${reasonOf(error)}`)]);
    }
  }

  #refuse(problems: readonly FileProblem[]): void {
    const before = formatProblems(this.#problems);
    this.#problems = problems;
    const now = formatProblems(problems);
    if (now !== before) this.#options.events.configRefused(now);
  }
}

type FileText = { readonly text: string } | { readonly unreadable: string };

function wholeFile(file: string, message: string): FileProblem {
  return { file, line: 1, column: 1, message, text: "" };
}

/** Settings that the running gateway takes over; everything else needs a restart. */
export const LIVE_SETTINGS: readonly string[] = ["sources", "clock", "ingest.limits", "ingest.frame"];

/** The settings that differ and are not live, as `broker.users_file`. */
export function waitingIn(started: PipelineConfig, config: PipelineConfig): string[] {
  return differences(started, config, []).filter(
    (path) => !LIVE_SETTINGS.some((live) => path === live || path.startsWith(`${live}.`)),
  );
}

const DEPTH_MAX = 2;

function differences(one: unknown, other: unknown, path: readonly string[]): string[] {
  if (isDeepStrictEqual(one, other)) return [];
  if (path.length === DEPTH_MAX || !isSection(one) || !isSection(other)) return [path.join(".")];
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return names.flatMap((name) => differences(one[name], other[name], [...path, name]));
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One sentence about the file for `/readyz`, which anyone may ask: it names places and settings, not their values. */
export function configNotice(followed: Pick<FollowedConfig, "problems" | "waiting">): string | undefined {
  const [first, ...more] = followed.problems;
  if (first !== undefined) {
    const others = more.length === 0 ? "" : ` and ${more.length} more`;
    const where = `${basename(first.file)}:${first.line}${others}`;
    return `The configuration has problems (${where}): the previous one stays in force. The page's pipeline says what is wrong.`;
  }
  if (followed.waiting.length === 0) return undefined;
  return `These settings of the configuration changed, and take effect with the next start: ${followed.waiting.join(", ")}.`;
}
