import { API_ROUTES, type ApiRoute } from "./api.ts";
import { deadLetter, deadLetters, retryLetter, retryLetters } from "./dead-letters.ts";
import { deliveries, explanation, incident, openAlerts } from "./incidents.ts";
import { acknowledge, addSilence, listSilences, removeSilence } from "./orders.ts";
import { ruleActivity } from "./rule-activity.ts";

type Method = "GET" | "POST" | "DELETE";

interface Place {
  readonly method: Method;
  readonly path: string;
  readonly pattern: RegExp;
  readonly route: ApiRoute;
}

const PLACES: readonly Place[] = [
  ...[...API_ROUTES].map(([path, route]) => place("GET", path, route)),
  place("GET", "/api/v1/open-alerts", { channels: ["alerts"], answer: openAlerts }),
  place("GET", "/api/v1/alerts/{incident}", { channels: ["alerts"], answer: incident }),
  place("GET", "/api/v1/alerts/{incident}/explanation", { channels: ["alerts"], answer: explanation }),
  place("GET", "/api/v1/alerts/{incident}/deliveries", { channels: ["alerts"], answer: deliveries }),
  place("POST", "/api/v1/alerts/{incident}/acknowledge", { channels: ["alerts"], answer: acknowledge }),
  place("GET", "/api/v1/silences", { channels: ["alerts"], unrestricted: true, answer: listSilences }),
  place("POST", "/api/v1/silences", { channels: ["alerts"], answer: addSilence }),
  place("DELETE", "/api/v1/silences/{id}", { channels: ["alerts"], answer: removeSilence }),
  place("GET", "/api/v1/rule-activity", { channels: ["alerts"], answer: ruleActivity }),
  place("GET", "/api/v1/dead-letters", { channels: ["stats"], unrestricted: true, answer: deadLetters }),
  place("GET", "/api/v1/dead-letters/{sequence}", { channels: ["stats"], unrestricted: true, answer: deadLetter }),
  place("POST", "/api/v1/dead-letters/retry", { channels: ["stats"], unrestricted: true, answer: retryLetters }),
  place("POST", "/api/v1/dead-letters/{sequence}/retry", {
    channels: ["stats"],
    unrestricted: true,
    answer: retryLetter,
  }),
];

/** For who asks for something that is not there. */
export const API_PATHS: readonly string[] = [...new Set(PLACES.map(({ path }) => path))];

/** Every order and question, as `GET /api/v1/series`. */
export const OPERATIONS: readonly string[] = PLACES.map(({ method, path }) => `${method} ${path}`);

export interface FoundRoute {
  readonly route: ApiRoute;
  readonly params: Readonly<Record<string, string>>;
}

export function findRoute(method: string, path: string): FoundRoute | undefined {
  const wanted = method === "HEAD" ? "GET" : method;
  for (const { method: own, pattern, route } of PLACES) {
    if (own !== wanted) continue;
    const groups = pattern.exec(path);
    if (groups === null) continue;
    const params = decodedParams(groups.groups ?? {});
    if (params !== undefined) return { route, params };
  }
  return undefined;
}

/** What can be done at a path; reading where nothing is, so that the answer is that nothing is there. */
export function methodsOf(path: string): readonly string[] {
  const methods = PLACES.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
  if (methods.length === 0) return ["GET", "HEAD"];
  return methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]));
}

function place(method: Method, path: string, route: ApiRoute): Place {
  const source = path.replace(/[.]/g, "\\.").replace(/\{(\w+)\}/g, "(?<$1>[^/]+)");
  return { method, path, pattern: new RegExp(`^${source}$`), route };
}

function decodedParams(groups: Readonly<Record<string, string>>): Record<string, string> | undefined {
  try {
    return Object.fromEntries(Object.entries(groups).map(([name, text]) => [name, decodeURIComponent(text)]));
  } catch {
    return undefined;
  }
}
