import type { AlertChange, AlertState } from "../../domain/alert.ts";
import type { Tags } from "../../domain/reading.ts";
import { labelOf, matches } from "../common/matchers.ts";
import type { GroupingConfig, RouteConfig } from "./route-config.ts";

/** How alerts are grouped into notifications, and when these are sent. */
export interface Grouping {
  /** Distinguishes the routes: different routes have different groups. */
  readonly route: string;
  /** Undefined: each alert is its own group. */
  readonly labels: readonly string[] | undefined;
  readonly waitUs: number;
  readonly intervalUs: number;
  /** Undefined: never. */
  readonly repeatUs: number | undefined;
  readonly states: ReadonlySet<AlertState>;
}

/** How a receiver is notified of a change; undefined if it is not. */
export type Route = (change: AlertChange) => Grouping | undefined;

/**
 * The first route that matches the change and names the receiver applies. Without one, the defaults apply to a
 * receiver that the rule itself names.
 */
export function routeOf(
  receiver: string,
  config: { readonly routes: readonly RouteConfig[]; readonly defaults: GroupingConfig },
): Route {
  const routes = config.routes.flatMap((route, i) =>
    route.receivers.includes(receiver) ? [{ match: route.match, grouping: groupingOf(String(i), route) }] : [],
  );
  const defaults = groupingOf("", config.defaults);
  return (change) => {
    const route = routes.find(({ match }) => matches(match, change));
    if (route !== undefined) return route.grouping;
    return change.notify.includes(receiver) ? defaults : undefined;
  };
}

/**
 * The group of an alert: its key, and the labels that its alerts share. The log stores the key, so its text must not
 * change.
 */
export function groupOf(grouping: Grouping, alert: string, change: AlertChange): { key: string; labels: Tags } {
  if (grouping.labels === undefined) return { key: groupOfOne(alert), labels: {} };
  const labels: Record<string, string> = {};
  for (const name of grouping.labels) labels[name] = labelOf(change, name) ?? "";
  return { key: `route ${grouping.route} ${JSON.stringify(Object.entries(labels))}`, labels };
}

/** The group key of an alert that is not grouped. */
export function groupOfOne(alert: string): string {
  return `alert ${alert}`;
}

function groupingOf(route: string, config: GroupingConfig): Grouping {
  return {
    route,
    labels: config.group_by,
    waitUs: config.group_wait,
    intervalUs: config.group_interval,
    repeatUs: config.repeat_interval,
    states: new Set(config.states),
  };
}
