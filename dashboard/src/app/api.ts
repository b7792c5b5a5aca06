import type { AlertChange } from "../../../domain/alert.ts";
import type { SeriesAnswer } from "../../../platform/history.ts";
import { isRecord } from "../lib/rules.ts";
import type { LoadSeries } from "../store/device-detail.ts";

const REQUESTS_AT_ONCE = 4;
const WAITING_MAX = 200;
const TIMEOUT_MS = 10_000;

export class ApiError extends Error {
  override readonly name = "ApiError";
}

/** The gateway's HTTP API; asks for a few things at a time, so that a screen of charts does not flood it. */
export interface Api {
  readonly series: LoadSeries;
  /** Alert changes of a stretch of event time, newest first. */
  alerts(query: {
    readonly fromUs: number;
    readonly toUs: number;
    readonly limit: number;
  }): Promise<readonly AlertChange[]>;
  rules(): Promise<unknown>;
  /** Undefined when all is well, else what is not, for a person. */
  notReady(): Promise<string | undefined>;
}

export function createApi(baseUrl: string, token?: string): Api {
  const limit = createLimiter(REQUESTS_AT_ONCE, WAITING_MAX);

  async function get(path: string, query: Record<string, string | number> = {}): Promise<Response> {
    const url = new URL(path, baseUrl);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    return await limit(() =>
      fetch(url, {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      }),
    );
  }

  async function json(path: string, query?: Record<string, string | number>): Promise<unknown> {
    const response = await get(path, query);
    if (!response.ok) throw new ApiError(`${path} answered ${response.status}`);
    return await response.json();
  }

  return {
    async series({ device, metric, fromUs, toUs, points }) {
      const answer = await json("api/v1/series", { device, metric, from: fromUs, to: toUs, points });
      if (!isSeriesAnswer(answer)) throw new ApiError(`api/v1/series answered with something else for ${metric}`);
      return answer;
    },
    async alerts({ fromUs, toUs, limit: most }) {
      const answer = await json("api/v1/alerts", { state: "all", from: fromUs, to: toUs, limit: most });
      const list = isRecord(answer) ? answer.alerts : answer;
      return Array.isArray(list) ? list.filter(isAlertChange) : [];
    },
    rules: () => json("api/v1/rules"),
    async notReady() {
      const response = await get("readyz");
      return response.ok ? undefined : await response.text();
    },
  };
}

function isSeriesAnswer(value: unknown): value is SeriesAnswer {
  return isRecord(value) && ["atUs", "min", "max", "avg", "count"].every((column) => Array.isArray(value[column]));
}

function isAlertChange(value: unknown): value is AlertChange {
  return isRecord(value) && typeof value.id === "string" && typeof value.rule === "string" && isRecord(value.key);
}

/** Runs so many tasks at once and keeps a bounded line of waiting ones; beyond it a task is refused. */
export function createLimiter(
  atOnce: number,
  waitingMax: number,
): <Result>(task: () => Promise<Result>) => Promise<Result> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (task) => {
    if (running >= atOnce) {
      if (waiting.length >= waitingMax) throw new ApiError(`more than ${waitingMax} requests are waiting`);
      await new Promise<void>((go) => waiting.push(go));
    } else {
      running++;
    }
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      // The place in the running ones is handed on.
      if (next === undefined) running--;
      else next();
    }
  };
}
