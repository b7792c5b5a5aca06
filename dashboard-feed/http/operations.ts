import { alerts } from "./alerts.ts";
import {
  deadLetter,
  deadLetters,
  deadLetterTopics,
  deadLetterTrial,
  dismissDeadLetters,
  retryDeadLetter,
  retryDeadLetters,
} from "./dead-letters.ts";
import { devices } from "./devices.ts";
import { healthz, metrics, readyz } from "./gateway.ts";
import { incidents } from "./incident-list.ts";
import { acknowledge, deliveries, explanation, incident, openAlerts } from "./incidents.ts";
import { listeners } from "./listeners.ts";
import type { Operation } from "./operation.ts";
import { ruleFiles } from "./rule-files.ts";
import { ruleActivity, rules } from "./rules.ts";
import { series, states } from "./series.ts";
import { addSilence, removeSilence, silences } from "./silences.ts";
import { sources } from "./sources.ts";

/**
 * The HTTP API. Each operation is declared once, beside its handler: method, path, scope, schemas, documentation and
 * an example. Routing, access, `docs/openapi.yaml` and the lists in the tests derive from this table.
 */
export const OPERATIONS: readonly Operation[] = [
  ...[series, states, alerts, devices, rules, ruleActivity, ruleFiles],
  ...[openAlerts, incidents, incident, explanation, deliveries, acknowledge],
  ...[silences, addSilence, removeSilence],
  ...[
    deadLetters,
    deadLetterTopics,
    deadLetter,
    deadLetterTrial,
    retryDeadLetters,
    retryDeadLetter,
    dismissDeadLetters,
  ],
  ...[healthz, readyz, metrics, listeners, sources],
];

/** For a request whose path does not exist. */
export const API_PATHS: readonly string[] = [
  ...new Set(OPERATIONS.map(({ path }) => path).filter((path) => path.startsWith("/api/"))),
];

const ROUTES = OPERATIONS.map((operation) => ({ operation, pattern: patternOf(operation.path) }));

export interface FoundOperation {
  readonly operation: Operation;
  readonly params: Readonly<Record<string, string>>;
}

export function findOperation(method: string, path: string): FoundOperation | undefined {
  const wanted = method === "HEAD" ? "GET" : method;
  for (const { operation, pattern } of ROUTES) {
    if (operation.method !== wanted) continue;
    const found = pattern.exec(path);
    if (found === null) continue;
    const params = decodedParams(found.groups ?? {});
    if (params !== undefined) return { operation, params };
  }
  return undefined;
}

/** The methods that a path allows. An unknown path allows reading, so that the answer is 404 and not 405. */
export function methodsAt(path: string): readonly string[] {
  const methods = ROUTES.filter(({ pattern }) => pattern.test(path)).map(({ operation }) => operation.method);
  if (methods.length === 0) return ["GET", "HEAD"];
  return methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]));
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/[.]/g, "\\.").replace(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`);
}

function decodedParams(groups: Readonly<Record<string, string>>): Record<string, string> | undefined {
  try {
    return Object.fromEntries(Object.entries(groups).map(([name, text]) => [name, decodeURIComponent(text)]));
  } catch {
    return undefined;
  }
}
