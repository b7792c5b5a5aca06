import type { FaultTexts } from "../../platform/files/fault.ts";

/** The faults of a rule file as a whole, and between files. */
export interface FileFacts {
  list_at_top: Record<never, never>;
  not_a_rule_file: Record<never, never>;
  no_rules: Record<never, never>;
  rules_not_a_list: Record<never, never>;
  unknown_top_key: { readonly key: string; readonly isForDefaults: boolean };
  defaults_empty: Record<never, never>;
  defaults_not_a_map: Record<never, never>;
  defaults_in_rule: Record<never, never>;
  id_in_defaults: { readonly key: string };
  file_key_in_defaults: { readonly key: string };
  id_used_twice: { readonly id: string; readonly otherFile: string | undefined };
  unreadable: { readonly what: "file" | "folder"; readonly reason: string };
  wrong_encoding: { readonly isUtf16: boolean };
}

const DEFAULTS_HELP = "write the fields below it, indented and without a dash, like severity: critical";

export const FILE_TEXTS: FaultTexts<FileFacts> = {
  list_at_top: () => ({ message: "the rules need a `rules:` above them", help: "write rules: on its own line above" }),
  not_a_rule_file: () => ({
    message: "this is not a rule file",
    help: "start a rule file with rules: and write each rule below it, after a dash",
  }),
  no_rules: () => ({
    message: "the file has no rules",
    help: "write rules: and, below it, - id: its-name for each rule",
  }),
  rules_not_a_list: () => ({
    message: "`rules` must be a list",
    help: "start each rule with a dash: - id: cold-room-warm",
  }),
  unknown_top_key: ({ key, isForDefaults }) => ({
    message: `unknown key \`${key}\``,
    help: isForDefaults
      ? "did you mean `defaults`? it holds fields for all rules of the file"
      : "a rule file has `rules:` and, optionally, `defaults:`; indent the keys of a rule below its dash",
  }),
  defaults_empty: () => ({ message: "`defaults:` has no value", help: DEFAULTS_HELP }),
  defaults_not_a_map: () => ({ message: "`defaults` must be a map of a rule's fields", help: DEFAULTS_HELP }),
  defaults_in_rule: () => ({
    message: "unknown key `defaults`",
    help: "it belongs at the top of the file, beside `rules:`",
  }),
  id_in_defaults: ({ key }) => ({ message: `unknown key \`${key}\``, help: "give each rule its own `id`" }),
  file_key_in_defaults: ({ key }) => ({
    message: `unknown key \`${key}\``,
    help: "indent it less: it belongs to the file",
  }),
  id_used_twice: ({ id, otherFile }) => ({
    message: `duplicate rule id "${id}", also in ${otherFile ?? "this file"}`,
    help: "give one of them another id",
  }),
  unreadable: ({ what, reason }) => ({
    message: what === "file" ? `cannot be read: ${reason}` : `the rules folder cannot be read: ${reason}`,
    help: "name the file or folder with the rules, and give Weir permission to read it",
  }),
  wrong_encoding: ({ isUtf16 }) => ({
    message: isUtf16 ? "the file is in UTF-16" : "this is not UTF-8",
    help: "save the file as UTF-8",
  }),
};
