import { readFileSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { Api } from "./api.ts";

interface Parameter {
  readonly name: string;
  readonly in: string;
}
interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { schema: { properties?: object } }>> };
}

const DOCUMENT: { readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> } = parse(
  readFileSync(new URL("../../../docs/openapi.yaml", import.meta.url), "utf8"),
);

/** Each call that the page makes, with every parameter that it sends. */
const CALLS: Readonly<Record<Exclude<keyof Api, symbol>, (api: Api) => Promise<unknown>>> = {
  series: (api) => api.series({ device: "a", tags: { site: "x" }, metric: "t", fromUs: 1e15, toUs: 2e15, points: 9 }),
  states: (api) => api.states({ device: "a", tags: {}, metric: "mode", fromUs: 1e15, toUs: 2e15, limit: 9 }),
  alerts: (api) => api.alerts({ state: "ended", fromUs: 1, toUs: 2e15, limit: 9, after: "x" }),
  pastIncidents: (api) => api.pastIncidents({ fromUs: 1, toUs: 2, limit: 3 }),
  incident: (api) => api.incident("a/b"),
  explanation: (api) => api.explanation("a/b"),
  deliveries: (api) => api.deliveries("a/b"),
  openAlerts: (api) => api.openAlerts(),
  silences: (api) => api.silences(),
  acknowledge: (api) => api.acknowledge("a/b", { by: "Ann", note: "on my way" }),
  addSilence: (api) => api.addSilence({ matchers: { rule: "r" }, untilUs: 1, by: "Ann", why: "repair" }),
  removeSilence: (api) => api.removeSilence("s-1", "Ann"),
  rules: (api) => api.rules(),
  ruleFiles: (api) => api.ruleFiles(),
  listeners: (api) => api.listeners(),
  ruleActivity: (api) => api.ruleActivity(),
  deadLetters: (api) => api.deadLetters(7),
  deadLetter: (api) => api.deadLetter(7),
  letterTrial: (api) => api.letterTrial(7),
  sources: (api) => api.sources(),
  retryLetter: (api) => api.retryLetter(7, "Ann"),
  retryLetters: (api) => api.retryLetters({ before: 9, after: 1, by: "Ann" }),
  letterTopics: (api) => api.letterTopics(),
  dismissLetters: (api) => api.dismissLetters({ topic: "a/#", before: 9, after: 1, by: "Ann" }),
  readiness: (api) => api.readiness(),
};

/** The documented operation for a request, with its path parameters filled in. */
function operationFor(method: string, path: string): Operation | undefined {
  const found = Object.entries(DOCUMENT.paths).flatMap(([template, operations]) => {
    const pattern = new RegExp(`^${template.replaceAll(/\{\w+\}/g, "([^/]+)")}$`);
    const operation = operations[method.toLowerCase()];
    return operation !== undefined && pattern.test(path) ? [{ template, operation }] : [];
  });
  // A fixed path comes before one with a parameter.
  return found.sort((a, b) => a.template.split("{").length - b.template.split("{").length)[0]?.operation;
}

afterEach(() => {
  vi.unstubAllGlobals();
});

test.each(Object.entries(CALLS))("%s is a documented operation", async (_, call) => {
  const requests: { readonly url: URL; readonly method: string; readonly body: unknown }[] = [];
  vi.stubGlobal("fetch", async (url: URL, { method, body }: { method: string; body?: string }) => {
    requests.push({ url, method, body: body === undefined ? undefined : JSON.parse(body) });
    return Response.json({ alerts: [], silences: [] });
  });
  await call(new Api("http://gateway.test/"));
  const [request, ...others] = requests;
  if (request === undefined) throw new Error("no request was made");
  expect(others).toEqual([]);
  const operation = operationFor(request.method, request.url.pathname);
  expect(operation, `${request.method} ${request.url.pathname}`).toBeDefined();
  const known = operation?.parameters?.filter((one) => one.in === "query").map(({ name }) => name) ?? [];
  const sent = [...request.url.searchParams.keys()].map((name) => (name.startsWith("tags.") ? "tags" : name));
  expect(known).toEqual(expect.arrayContaining(sent));
  const schema = operation?.requestBody?.content["application/json"]?.schema;
  expect(Object.keys(schema?.properties ?? {})).toEqual(expect.arrayContaining(Object.keys(request.body ?? {})));
});

test("a problem document is the error's message; other answers name the path and the status", async () => {
  const answers = [
    Response.json({ detail: "the token does not show this site" }, { status: 403 }),
    new Response("<h1>Bad gateway</h1>", { status: 502 }),
  ];
  vi.stubGlobal("fetch", async () => answers.shift());
  const api = new Api("http://gateway.test/");
  await expect(api.rules()).rejects.toThrow("the token does not show this site");
  await expect(api.rules()).rejects.toThrow("api/v1/rules answered 502");
});

test("readiness of a gateway behind a broken proxy", async () => {
  vi.stubGlobal("fetch", async () => new Response("upstream is down", { status: 502 }));
  expect(await new Api("http://gateway.test/").readiness()).toEqual({
    ready: false,
    log: { ready: true, durability: "unknown" },
    services: [{ name: "gateway", ready: false, detail: "upstream is down" }],
  });
});

test("an answer of 401 is reported", async () => {
  vi.stubGlobal("fetch", async () => Response.json({ detail: "unknown token" }, { status: 401 }));
  const onUnauthorized = vi.fn();
  await expect(new Api("http://gateway.test/", { onUnauthorized }).rules()).rejects.toThrow("unknown token");
  expect(onUnauthorized).toHaveBeenCalledOnce();
});
