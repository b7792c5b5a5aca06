import type { FaultTexts } from "../../platform/files/fault.ts";

/** Faults between the fields of a rule, and in its id, labels, window and names. */
export interface SpecFacts {
  bad_id: { readonly text: string; readonly meant: string | undefined };
  /** `!` without a name, or with extra signs after it; `bare` is the name. */
  bad_exclusion: { readonly text: string; readonly bare: string };
  no_subject: { readonly key: string };
  window_and_absent: Record<never, never>;
  let_and_absent: Record<never, never>;
  default_and_absent: { readonly other: string };
  not_with_absent: { readonly key: string };
  no_hold_with_absent: { readonly key: string };
  clear_without_when: Record<never, never>;
  levels_empty: Record<never, never>;
  when_and_levels: Record<never, never>;
  clear_twice: { readonly level: string };
  aggregate_twice: { readonly name: string };
  fill_not_tumbling: Record<never, never>;
  window_kinds: { readonly allowed: readonly string[]; readonly found: readonly string[] };
  step_alone: Record<never, never>;
  bad_step: { readonly count: number; readonly step: number; readonly max: number };
  every_alone: Record<never, never>;
  hopping_alone: { readonly hopping: string };
  not_a_multiple: { readonly hopping: string; readonly every: string };
  calendar_field: { readonly key: string; readonly needs: string };
  bad_time_of_day: { readonly text: string };
  shift_twice: { readonly time: string };
  too_much_overlap: { readonly hopping: string; readonly every: string; readonly count: number; readonly max: number };
  too_many_windows: {
    readonly count: number;
    readonly every: string;
    readonly lateness: string;
    readonly max: number;
  };
  let_empty: Record<never, never>;
  let_too_long: { readonly count: number; readonly max: number };
  let_bad_name: { readonly name: string };
  let_no_window: { readonly name: string };
  let_window_kind: { readonly name: string };
  let_without_when: { readonly names: readonly string[] };
}

const HOPPING_HELP = "write for example { hopping: 5m, every: 30s }; 5m is ten times 30s";
const ONE_SUBJECT = "keep one of the two; two questions are two rules";

export const SPEC_TEXTS: FaultTexts<SpecFacts> = {
  bad_id: ({ text, meant }) => ({
    message: `"${text}" is not an id: use lower-case letters, digits, - _ and . (at most 100 characters)`,
    help: `write id: ${meant ?? "cold-room-warm"}`,
  }),
  bad_exclusion: ({ text, bare }) =>
    bare === ""
      ? {
          message: `"${text}" excludes nothing`,
          help: 'write the name right after the !, like "!lab"; "!*" takes only series without the label',
        }
      : { message: `"${text}" has more than a \`!\` before the name`, help: `write "!${bare}"` },
  no_subject: () => ({
    message: "`window` is missing: a rule needs `window`, `absent` or `let`",
    help: "add for example window: { tumbling: 1m }, or absent: 5m",
  }),
  window_and_absent: () => ({ message: "a rule has either `window` or `absent`, not both", help: ONE_SUBJECT }),
  let_and_absent: () => ({ message: "a rule has either `let` or `absent`, not both", help: ONE_SUBJECT }),
  default_and_absent: ({ other }) => ({
    message: `\`defaults\` has either \`${other}\` or \`absent\`, not both`,
    help: "write one of them in each rule: a rule with neither could not choose",
  }),
  not_with_absent: ({ key }) => ({
    message: `\`${key}\` has no meaning with \`absent\``,
    help: "remove it; `absent` is the whole condition",
  }),
  no_hold_with_absent: ({ key }) => ({
    message: `\`${key}\` has no meaning with \`absent\``,
    help: key === "for" ? "remove it, and make `absent` longer" : "remove it; an absence ends with the next reading",
  }),
  clear_without_when: () => ({ message: "`clear` has no meaning without `when`", help: "remove it, or add `when`" }),
  levels_empty: () => ({
    message: "`levels` is empty",
    help: 'write for example levels: { warning: "> 6", critical: "> 8" }',
  }),
  when_and_levels: () => ({
    message: "a rule has either `when` or `levels`, not both",
    help: "make the condition of `when` one of the levels",
  }),
  clear_twice: ({ level }) => ({
    message: `\`clear\` is already written in \`levels.${level}\``,
    help: `keep one of them: the \`clear\` of a rule is that of its least severe level, ${level}`,
  }),
  aggregate_twice: ({ name }) => ({ message: `duplicate aggregate ${name}`, help: "name each aggregate once" }),
  fill_not_tumbling: () => ({
    message: "`fill: last` needs a tumbling window",
    help: "use window: { tumbling: 1m }, or remove `fill`",
  }),
  window_kinds: ({ allowed, found }) => ({
    message: `\`window\` needs exactly one of ${allowed.join(", ")}${found.length > 0 ? `, not ${found.join(" and ")}` : ""}`,
    help: found.length > 0 ? "keep one of them" : "write for example window: { tumbling: 1m }",
  }),
  step_alone: () => ({ message: "`step` needs `count`", help: "write for example window: { count: 5, step: 1 }" }),
  bad_step: ({ count, step, max }) => ({
    message:
      step > count
        ? `readings are skipped: a step of ${step} is more than the ${count} readings of a window`
        : `${count} readings with a step of ${step} are more than ${max} windows at once`,
    help: step > count ? `use a step of at most ${count}` : `use a step of at least ${Math.ceil(count / max)}`,
  }),
  every_alone: () => ({ message: "`every` needs `hopping`", help: HOPPING_HELP }),
  hopping_alone: ({ hopping }) => ({
    message: "`hopping` needs `every`: how often a window begins",
    help: `write for example { hopping: ${hopping}, every: 30s }; the length is a multiple of \`every\``,
  }),
  not_a_multiple: ({ hopping, every }) => ({
    message: `the length ${hopping} is not a multiple of \`every: ${every}\``,
    help: HOPPING_HELP,
  }),
  calendar_field: ({ key, needs }) => ({
    message: `\`${key}\` needs ${needs}`,
    help: `remove it, or write for example window: { calendar: ${key === "starts" ? "week" : "day"}, zone: Europe/Berlin }`,
  }),
  bad_time_of_day: ({ text }) => ({
    message: `"${text}" is not a local time`,
    help: 'write "HH:MM", from 00:00 to 23:59, like "09:00"',
  }),
  shift_twice: ({ time }) => ({ message: `the shift of ${time} is listed twice`, help: "list each time once" }),
  too_much_overlap: ({ hopping, every, count, max }) => ({
    message: `${count} windows of ${hopping} every ${every} overlap`,
    help: `at most ${max} may: make \`every\` longer, or the window shorter`,
  }),
  too_many_windows: ({ count, every, lateness, max }) => ({
    message: `each key would keep ${count.toLocaleString("en")} windows: one every ${every}, with \`lateness: ${lateness}\``,
    help: `at most ${max.toLocaleString("en")} may be kept: make the windows longer, or \`lateness\` shorter`,
  }),
  let_empty: () => ({ message: "`let` names no series", help: "write for example let: { flow: { metric: flow } }" }),
  let_too_long: ({ count, max }) => ({ message: `\`let\` names ${count} series`, help: `name at most ${max}` }),
  let_bad_name: ({ name }) => ({
    message: `"${name}" cannot be a name in a condition`,
    help: "use letters, digits and _, like motor_current, and none of the language's words",
  }),
  let_no_window: ({ name }) => ({
    message: `\`${name}\` has no window`,
    help: "add window: { tumbling: 30s } to it, or to the rule for all names",
  }),
  let_window_kind: ({ name }) => ({
    message: `\`${name}\` needs a tumbling or hopping window`,
    help: "use tumbling or hopping: several series are compared where their windows end",
  }),
  let_without_when: ({ names }) => ({
    message: "a rule with `let` needs `when` or `levels`",
    help: `write for example when: "${names.map((name) => `${name} > 10`).join(" && ")}"`,
  }),
};
