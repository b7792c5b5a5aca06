import type { ProblemKind } from "../files/errors.ts";

/** The kinds of warnings, once. Codes never change, because people write them into `weir-ignore` comments. */
export const WARNINGS = {
  W001: {
    title: "`clear` holds while `when` holds",
    text: 'The alert would end at the next window although its condition still holds, and begin again at the one after, so it would flap. For hysteresis, `clear` must be beyond `when`: `when: "> 8"`, `clear: "< 7.5"`.',
    bad: 'when: "> 8"\nclear: "< 9"',
    good: 'when: "> 8"\nclear: "< 7.5"',
  },
  W002: {
    title: "`clear` can never hold",
    text: "No value that the aggregate can have satisfies it, so the alert would never end.",
    bad: 'aggregate: count\nwhen: "> 100"\nclear: "< 0"',
    good: 'aggregate: count\nwhen: "> 100"\nclear: "< 90"',
  },
  W003: {
    title: "`for` is shorter than a window",
    text: "Conditions are evaluated when a window ends. A `for` or `keep_firing_for` shorter than the time from one window to the next has the same effect as that time.",
    bad: 'window: { tumbling: 5m }\nwhen: "> 8"\nfor: 30s',
    good: 'window: { tumbling: 1m }\nwhen: "> 8"\nfor: 5m',
  },
  W004: {
    title: "`lateness` is long compared to the window",
    text: "The lateness delays each window and each alert. Readings that are late by up to two window lengths correct their window anyway (`late: update`), without a delay. Use a long lateness only if the alert must wait for stragglers.",
    bad: "window: { tumbling: 10s }\nlateness: 10m",
    good: "window: { tumbling: 10s }\nlateness: 15s",
  },
  W005: {
    title: "`where` matches no known sensor",
    text: "None of the known devices has these labels, or a label's name is misspelt. The check gets the known devices from `--devices` or, for near misses and labels that no sensor has, from a gateway that runs in this folder.",
    bad: 'where: { device: "clod-*" }',
    good: 'where: { device: "cold-*" }',
  },
  W006: {
    title: "a field without effect",
    text: "With `absent` there are no windows, so `aggregate`, `lateness`, `late` and `fill` have no effect. Without `when` there are no alerts, so `for`, `severity` and other fields of alerts have none.",
    bad: "absent: 5m\naggregate: max",
    good: "absent: 5m",
  },
  W007: {
    title: "`when` can never hold",
    text: "No value that the aggregate can have satisfies it: a window has at least one reading, a spread is not negative, a duration is at most the window's length in seconds. For sensors that fall silent, use `absent`.",
    bad: 'aggregate: count\nwhen: "< 1"',
    good: "absent: 5m",
  },
  W008: {
    title: "a text is compared with a number",
    text: "A rule reads texts only if all its aggregates accept them: `count`, `last`, `distinct`, `duration(state)`. Of these, only `last` returns a text.",
    bad: 'window: { tumbling: 10s }\nwhen: "== open"',
    good: 'window: { tumbling: 10s }\naggregate: last\nwhen: "== open"',
  },
  W009: {
    title: "`when` always holds",
    text: "It holds for every value that the aggregate can have: the alert fires with the first window and never ends.",
    bad: 'aggregate: stddev\nwhen: ">= 0"',
    good: 'aggregate: stddev\nwhen: "> 0.5"',
  },
  W010: {
    title: "two rules that differ only in their id",
    text: "Both fire at the same instants, so each notification is sent twice.",
    bad: '- { id: a, window: { tumbling: 1m }, when: "> 8" }\n- { id: b, window: { tumbling: 1m }, when: "> 8" }',
    good: '- { id: a, window: { tumbling: 1m }, when: "> 8" }',
  },
  W011: {
    title: "a placeholder that nothing fills in",
    text: "`{{ name }}` is filled from the labels of the alert's group (`group_by`; by default any tag of the series, so the check needs a list), the rule's `labels`, its aggregates or the names of `let`, and the names that every alert has: `value`, `rule`, `severity`, `state`, `at`, `active_at`, `for`, `condition`. Any other name stays as written, unless it has a `| default`.",
    bad: 'group_by: [site]\nannotations: { summary: "{{ device }} is warm" }',
    good: 'group_by: [site]\nannotations: { summary: "{{ site }} is warm" }',
  },
  W012: {
    title: "a pattern in another language",
    text: "In `where` only `*` (any text), `?` (any character) and a `!` at the beginning (not) are special. A regular expression or `{a,b}` is compared literally. Write alternatives as a list.",
    bad: 'where: { device: "cold-.*" }',
    good: 'where: { device: "cold-*" }',
  },
  W013: {
    title: "a computed number is compared for equality",
    text: "An average or a quantile almost never equals a given number. Compare with a range, or use `min`, `max` or `last`.",
    bad: 'aggregate: avg\nwhen: "== 21.5"',
    good: 'aggregate: avg\nwhen: "between 21.4 and 21.6"',
  },
  W014: {
    title: "different quantities combined",
    text: "`where` does not name the metric, and `group_by` does not separate metrics, so degrees, percentages and volts would be averaged together.",
    bad: 'where: { device: "cold-*" }\ngroup_by: [device]\naggregate: avg',
    good: 'where: { device: "cold-*", metric: temperature }\ngroup_by: [device]\naggregate: avg',
  },
  W015: {
    title: "a difference between different devices",
    text: "`rate`, `delta` and `delta_percent` subtract a window's first value from its last. In a group of several devices, the two usually come from different devices, so the difference is meaningless.",
    bad: "where: { metric: energy }\ngroup_by: [site]\naggregate: delta",
    good: "where: { metric: energy }\ngroup_by: [device]\naggregate: delta",
  },
  W016: {
    title: "a label that the group hides",
    text: "A label of the rule has the same name as a `group_by` label. The group's value wins, so the rule's value never appears.",
    bad: "group_by: [site]\nlabels: { site: north }",
    good: "group_by: [site]\nlabels: { region: north }",
  },
  W017: {
    title: "`weir-ignore` silences nothing",
    text: "The warning is gone, or the code is misspelt. Remove the comment, so that it does not hide the next warning.",
    bad: "# weir-ignore: W03",
    good: "# weir-ignore: W003",
  },
  W018: {
    title: "`where` excludes what it includes",
    text: "A pattern with `!` takes precedence over one without. If every included pattern is excluded, no readings are left.",
    bad: 'where: { metric: temperature, device: ["cold-9", "!cold-*"] }',
    good: 'where: { metric: temperature, device: ["cold-*", "!cold-9"] }',
  },
  W019: {
    title: "an `active` time in which no alert can fire",
    text: "A condition is evaluated only if the instant just before the window's end is in active time. If no window ever ends there, if no stretch of active time is as long as `for`, or if there is no active time at all, no alert fires.",
    bad: 'where: { metric: temperature }\nwindow: { tumbling: 1d }\nwhen: "> 8"\nactive: { hours: ["07:00-18:00"] }',
    good: 'where: { metric: temperature }\nwindow: { tumbling: 1h }\nwhen: "> 8"\nactive: { hours: ["07:00-18:00"] }',
  },
  W020: {
    title: "`notify` names an unknown receiver",
    text: "`notifier.receivers` in weir.yaml does not have this name, so no notification is sent to it. The check needs a weir.yaml, in this folder or from `--config`.",
    bad: 'when: "> 8"\nnotify: [opps]',
    good: 'when: "> 8"\nnotify: [ops]',
  },
  W021: {
    title: "`inhibited_by` never inhibits",
    text: "No other rule matches the name, or the matching rules never fire, or the alerts of one of the two rules lack a label of `equal`. A missing label never agrees. A rule does not inhibit itself.",
    bad: '- { id: silent, absent: 5m, group_by: [site, device], inhibited_by: [{ rule: gatway-silent, equal: [site] }] }\n- { id: gateway-silent, where: { device: "gw-*" }, absent: 2m, group_by: [site] }',
    good: '- { id: silent, absent: 5m, group_by: [site, device], inhibited_by: [{ rule: gateway-silent, equal: [site] }] }\n- { id: gateway-silent, where: { device: "gw-*" }, absent: 2m, group_by: [site] }',
  },
  W022: {
    title: "`flapping` that can never begin",
    text: "An alert can begin and end at most once per window, and not before `for` and `keep_firing_for`; an absence alert cannot begin before the silence has lasted as long as `absent`. This many changes do not fit into `within`.",
    bad: 'where: { metric: temperature }\nwindow: { tumbling: 10m }\nwhen: "> 8"\nflapping: { changes: 6, within: 30m }',
    good: 'where: { metric: temperature }\nwindow: { tumbling: 1m }\nwhen: "> 8"\nflapping: { changes: 6, within: 30m }',
  },
  W023: {
    title: "several series of a device computed as one",
    text: "The list in `group_by` names the device but not a tag in which its series differ, such as the phase of a meter. Their readings go into the same windows, and one alert. The check gets the known series from `--devices` or from a gateway that runs in this folder; the page shows what the gateway itself has found. Rules with `absent`, and rules over several devices (no `device` in the list), blend on purpose.",
    bad: "where: { metric: power }\ngroup_by: [device, metric]",
    good: "where: { metric: power }\ngroup_by: series",
  },
  W024: {
    title: "a level that a more severe one hides",
    text: "An alert has the most severe of its levels that hold. Where a level holds only together with a more severe one, no alert begins with it. Usually the conditions are in each other's place.",
    bad: 'window: { tumbling: 1m }\nlevels: { warning: "> 8", critical: "> 6" }',
    good: 'window: { tumbling: 1m }\nlevels: { warning: "> 6", critical: "> 8" }',
  },
  W025: {
    title: "texts or booleans where a rule compares numbers",
    text: 'Aggregates such as avg read numbers only, and no text is above or below a number: such readings never fire the alert. Booleans count as 0 and 1. Devices send numbers as texts more often than one thinks, such as `"21.5 °C"` and `"ERR"`. The check gets the known series from `--devices` or from a gateway that runs in this folder; the page shows what the gateway itself has met.',
    bad: 'where: { metric: pressure }\naggregate: max\nwhen: "> 8"',
    good: 'where: { metric: pressure }\naggregate: last\nwhen: "== ERR"',
  },
  W026: {
    title: "a field as a label of `where`",
    text: "`where` selects series, by metric, device and tags. It knows no values of readings, and a field of the rule below it is taken for the name of a tag that no series has.",
    bad: 'where: { metric: temperature, value: "!85" }',
    good: "where: { metric: temperature }\nexcept: [85]",
  },
  W027: {
    title: "a week that begins on Thursday",
    text: "Tumbling windows are aligned to 1970-01-01 UTC, a Thursday. Windows of seven days, or a multiple of them, begin on that day, at midnight in UTC. For weeks by the calendar use `calendar: week`.",
    bad: "window: { tumbling: 7d }",
    good: "window: { calendar: week, zone: Europe/Berlin }",
  },
  W028: {
    title: "a difference of a counter",
    text: "The metric's name says that it counts up. `delta` and `rate` subtract the first value of a window from its last: they leave out the step from the reading before the window, and are negative where the counter begins at 0 again. `increase` and `counter_rate` do neither.",
    bad: "where: { metric: energy_total }\naggregate: delta",
    good: "where: { metric: energy_total }\naggregate: increase",
  },
  W029: {
    title: "a spread that is 0 for a single reading",
    text: "`range`, `variance` and `stddev` are 0 in a window with one reading. So a rule for sensors that stand still also fires for those that send only once in a window. Count the readings as well.",
    bad: 'where: { metric: temperature }\nwindow: { tumbling: 1h }\naggregate: range\nwhen: "== 0"',
    good: 'where: { metric: temperature }\nwindow: { tumbling: 1h }\nlet: { spread: { aggregate: range }, readings: { aggregate: count } }\nwhen: "spread == 0 && readings >= 3"',
  },
} as const satisfies Readonly<Record<string, ProblemKind>>;

export type WarningCode = keyof typeof WARNINGS;
