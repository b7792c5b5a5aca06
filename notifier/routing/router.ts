import type { AlertChange, AlertState } from "../../domain/alert.ts";
import type { Tags } from "../../domain/reading.ts";
import type { GroupingConfig, NotifierConfig } from "../common/config.ts";
import { labelOf, matches } from "./matchers.ts";

/** How alerts are brought together into messages, and when these go out. */
export interface Grouping {
  /** Tells the alerts of one route from those of another. */
  readonly route: string;
  /** Undefined: each alert by itself. */
  readonly labels: readonly string[] | undefined;
  readonly waitUs: number;
  readonly intervalUs: number;
  /** Undefined: never. */
  readonly repeatUs: number | undefined;
  readonly states: ReadonlySet<AlertState>;
}

/** Says how a receiver is told of a change; undefined when it is not. */
export type Route = (change: AlertChange) => Grouping | undefined;

/**
 * The first route that fits the change and names the receiver says how; without one, a receiver that the rule itself
 * names is told by the defaults.
 */
export function routeOf(receiver: string, config: Pick<NotifierConfig, "routes" | "defaults">): Route {
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

/** The group that an alert belongs to: its name, and the labels that its alerts share. */
export function groupOf(grouping: Grouping, alert: string, change: AlertChange): { key: string; labels: Tags } {
  if (grouping.labels === undefined) return { key: `alert ${alert}`, labels: {} };
  const labels: Record<string, string> = {};
  for (const name of grouping.labels) labels[name] = labelOf(change, name) ?? "";
  return { key: `route ${grouping.route} ${JSON.stringify(Object.entries(labels))}`, labels };
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
