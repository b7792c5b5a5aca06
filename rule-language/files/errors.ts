/** A kind of error or warning, for the reference and for reports. */
export interface ProblemKind {
  readonly title: string;
  readonly text: string;
  /** Lines of a rule file that have the problem, and lines that do not. */
  readonly bad: string;
  readonly good: string;
}

/** The kinds of errors, once. Codes never change, because tools group by them. */
export const ERRORS = {
  E001: {
    title: "not YAML",
    text: "The text is not valid YAML, or YAML reads it differently than it looks.",
    bad: "when: > 8",
    good: 'when: "> 8"',
  },
  E002: {
    title: "unknown key",
    text: "A key is not allowed at this place. Usually it is misspelt, or not indented far enough.",
    bad: 'treshold: "> 8"',
    good: 'when: "> 8"',
  },
  E003: {
    title: "bad value",
    text: "A key cannot have this value.",
    bad: 'when: "> 8"\nfor: 10',
    good: 'when: "> 8"\nfor: 10m',
  },
  E004: {
    title: "conflict between fields",
    text: "Each field is valid on its own, but one excludes or requires another.",
    bad: 'absent: 5m\nwhen: "> 8"',
    good: "absent: 5m",
  },
  E005: {
    title: "id used twice",
    text: "Two rules have the same id. Incidents refer to ids, so they must be unique across all files.",
    bad: '- { id: a, window: { tumbling: 1m }, when: "> 8" }\n- { id: a, window: { tumbling: 1m }, when: "> 9" }',
    good: '- { id: a, window: { tumbling: 1m }, when: "> 8" }\n- { id: b, window: { tumbling: 1m }, when: "> 9" }',
  },
  E006: {
    title: "missing",
    text: "A required field is missing.",
    bad: 'window: { hopping: 5m }\nwhen: "> 8"',
    good: 'window: { hopping: 5m, every: 1m }\nwhen: "> 8"',
  },
  E007: {
    title: "unreadable",
    text: "The file or folder cannot be read, or the file is not UTF-8.",
    bad: "# in UTF-16",
    good: "# in UTF-8",
  },
} as const satisfies Readonly<Record<string, ProblemKind>>;

export type ErrorCode = keyof typeof ERRORS;
