import { z } from "zod";
import type { Channel } from "../../contracts/feed/channels.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Log } from "../../platform/log/port.ts";
import type { Metrics } from "../../platform/metrics.ts";
import type { Health } from "../../platform/service.ts";
import type { Grant } from "../common/access.ts";
import { type CompiledFilter, compileFilter } from "../common/filter.ts";
import type { Views } from "../views/views.ts";
import { filterOf, parseBody, parseQuery } from "./query.ts";

export type Method = "GET" | "POST" | "DELETE";

/** Who may use an operation: everyone, or tokens that show one of these channels. Methods other than GET are orders. */
export type Scope =
  | "open"
  | {
      readonly channels: readonly Channel[];
      /** The answer covers all sites, so tokens for some sites cannot have it. */
      readonly allSitesOnly?: true;
    };

/** What the handlers use. */
export interface ApiContext {
  readonly log: Log;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly instance: string;
  readonly views: Views;
  readonly readiness: () => readonly { readonly name: string; readonly health: Health }[];
}

export interface Call<Params = unknown, Query = unknown, Body = unknown> extends ApiContext {
  readonly grant: Grant;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** The names of the query parameters in the request. */
  readonly given: ReadonlySet<string>;
  /** The parameters that form a filter, and the sites that the token shows. */
  readonly filter: CompiledFilter;
}

/** An answer other than a JSON value with status 200. */
export class Reply {
  readonly text: string;
  readonly status: number;
  readonly type: string | undefined;

  constructor(text: string, options: { readonly status?: number; readonly type?: string } = {}) {
    this.text = text;
    this.status = options.status ?? 200;
    this.type = options.type;
  }
}

/** A request before it is parsed. */
export interface RawCall {
  readonly grant: Grant;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The JSON value in the body of a POST. */
  readonly body: unknown;
}

interface Described {
  readonly method: Method;
  /** Has `{name}` for each path parameter. */
  readonly path: `/${string}`;
  /** The operation's name in generated clients. */
  readonly id: string;
  readonly tag: "data" | "alerts" | "silences" | "rules" | "dead letters" | "gateway";
  readonly summary: string;
  readonly description?: string;
  readonly scope: Scope;
  /** What all other query parameters filter by, in words. Without it they are refused. */
  readonly filter?: string;
  /** The content type, where the answer is not JSON. */
  readonly answer: z.ZodType | "text/plain";
  /** Statuses other than 200 with the same answer. */
  readonly answerAlso?: Readonly<Record<number, string>>;
  /** Problems beyond those of every operation of its kind. */
  readonly problems?: Readonly<Record<number, string>>;
}

interface Declaration<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> extends Described {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** A request that succeeds in the tests' world. The document shows it, too. */
  readonly example: {
    readonly params?: z.input<P>;
    readonly query?: Readonly<Record<string, unknown>>;
    readonly body?: z.input<B>;
  };
  /** Resolves to a JSON value or a Reply; throws ApiError. */
  readonly handle: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Promise<unknown>;
}

/** One operation of the HTTP API, declared once. Routing, access and `docs/openapi.yaml` derive from it. */
export interface Operation extends Described {
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  readonly body: z.ZodType | undefined;
  readonly example: {
    readonly params?: Readonly<Record<string, unknown>>;
    readonly query?: Readonly<Record<string, unknown>>;
    readonly body?: unknown;
  };
  /** Parses the request and handles it. Throws ApiError. */
  readonly respond: (raw: RawCall, context: ApiContext) => Promise<unknown>;
}

export function operation<
  P extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Q extends z.ZodObject = z.ZodObject<Record<never, never>>,
  B extends z.ZodType = z.ZodUndefined,
>({ params, query, body, handle, ...declared }: Declaration<P, Q, B>): Operation {
  const isFiltered = declared.filter !== undefined;
  // Probes and scrapers may add parameters of their own.
  const isStrict = !isFiltered && declared.path.startsWith("/api/");
  const querySchema = query ?? (isStrict ? z.strictObject({}) : z.object({}));
  const paramsSchema = params ?? z.object({});
  const known = Object.keys(querySchema.shape);
  return {
    ...declared,
    params: paramsSchema,
    query: querySchema,
    body,
    async respond(raw, context) {
      const { grant } = raw;
      return await handle({
        ...context,
        grant,
        params: paramsSchema.parse(raw.params) as z.output<P>,
        query: parseQuery(querySchema, raw.query, isStrict ? "reject" : "pass") as z.output<Q>,
        body: (body === undefined ? undefined : parseBody(body, raw.body ?? {})) as z.output<B>,
        given: new Set(raw.query.keys()),
        filter: compileFilter(isFiltered ? filterOf(raw.query, known) : {}, grant.sites),
      });
    },
  };
}
