import { expect, test } from "vitest";
import { z } from "zod";
import { durationUsBetween } from "./schemas.ts";
import { formatProblems, type ParseOptions, parseYaml } from "./yaml-file.ts";

const receiver = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("webhook"), url: z.url(), token: z.string().min(8).optional() }),
  z.strictObject({ type: z.literal("mail"), to: z.array(z.string()).min(1) }),
]);

const schema = z.strictObject({
  partitions: z.int().min(1).max(256).default(4),
  broker: z
    .strictObject({
      users_file: z.string().optional(),
      keep: durationUsBetween({ minUs: 1_000_000, maxUs: 60_000_000 }).prefault("10s"),
      qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(1),
      secure: z.boolean().default(false),
    })
    .prefault({}),
  page: z
    .strictObject({ port: z.int().default(8080), owner: z.string().optional(), tokens: z.array(z.string().min(4)) })
    .optional(),
  receivers: z.record(z.string().min(1), receiver).default({}),
  sources: z
    .array(
      z.strictObject({ topic: z.string().min(1) }).superRefine(({ topic }, context) => {
        const params = { help: "add {device} to it" };
        if (!topic.includes("{device}"))
          context.addIssue({ code: "custom", path: ["topic"], message: "{device} is missing", params });
      }),
    )
    .max(2)
    .default([]),
});

function problemsOf(source: string, options: ParseOptions = {}): string[] {
  const parsed = parseYaml(source, "weir.yaml", schema, options);
  return parsed.ok ? [] : parsed.problems.map(({ line, column, message }) => `${line}:${column} ${message}`);
}

test.each([
  ["a misspelt key", "partitons: 3", "1:1 unknown key `partitons`; did you mean `partitions`?"],
  ["a key of another map", "qos: 1", "1:1 unknown key `qos`; it belongs in `broker`: broker: { qos: ... }"],
  [
    "a key indented too far",
    "broker: { partitions: 3 }",
    "1:11 unknown key `partitions`; `partitions` belongs at the top level: indent it less",
  ],
  [
    "an unknown key without a similar one",
    "broker: { zzzzz: 3 }",
    "1:11 unknown key `zzzzz`; known here: users_file, keep, qos, secure",
  ],
  ["no space after the colon", "partitions:3", '1:1 the file must be a map of keys and values, not "partitions:3"'],
  [
    "a number in quotes",
    'partitions: "3"',
    '1:13 `partitions` must be a whole number, not "3"; write it without quotes: partitions: 3',
  ],
  [
    "a fraction",
    "partitions: 1.5",
    "1:13 `partitions` must be a whole number, not 1.5; write for example partitions: 10",
  ],
  ["too large a number", "partitions: 999", "1:13 `partitions` cannot be 999; write at most 256"],
  ["nothing after a colon", "partitions:", "1:1 `partitions:` has no value"],
  ["a duration without a unit", "broker: { keep: 5 }", "1:17 5 has no unit; write keep: 5s for seconds"],
  ["a duration in words", "broker: { keep: 5 minutes }", '1:17 "5 minutes" is not a duration; write 5m'],
  ["too long a duration", "broker: { keep: 5m }", '1:17 `broker.keep` cannot be "5m"; write a duration from 1s to 1m'],
  ["not one of a few numbers", "broker: { qos: 3 }", "1:16 `broker.qos` cannot be 3; write one of 0, 1, 2"],
  [
    "a word for yes",
    "broker: { secure: yes }",
    '1:19 `broker.secure` must be true or false, not "yes"; write secure: true',
  ],
  [
    "a number for a text",
    "broker: { users_file: 5 }",
    '1:23 `broker.users_file` must be a text, not 5; put it in quotes: users_file: "5"',
  ],
  [
    "a text for a list",
    "page: { tokens: abcd }",
    '1:17 `page.tokens` must be a list, not "abcd"; write tokens: [abcd]',
  ],
  ["a missing key", "page: { port: 1 }", "1:7 `tokens` is missing; add `tokens`"],
  [
    "an unknown type",
    "receivers: { a: { type: mial } }",
    '1:25 `receivers.a.type` cannot be "mial"; did you mean mail?',
  ],
  [
    "a key of the wrong type's",
    "receivers: { a: { type: mail, to: [b], url: c } }",
    "1:40 unknown key `url`; known here: type, to",
  ],
  ["an empty list", "receivers: { a: { type: mail, to: [] } }", "1:35 `receivers.a.to` is an empty list"],
  [
    "too many entries",
    'sources: [{ topic: "{device}" }, { topic: "{device}" }, { topic: "{device}" }]',
    "1:10 `sources` has 3 entries; it takes at most 2 entries",
  ],
  ["a check of the schema", "sources: [{ topic: a }]", "1:20 sources.0.topic: {device} is missing; add {device} to it"],
  ["a list for a map", "broker: [1]", "1:9 `broker` must be a map of keys and values, not a list"],
])("%s", (_, source, problem) => {
  expect(problemsOf(source)).toHaveLength(1);
  expect(problemsOf(source)[0]).toContain(problem);
});

test("reports all problems at once, in the order of the file, even those after a fault of the YAML", () => {
  const source = "receivers:\n  a: { type: mail, to: *-ops }\nbroker:\n  qos: 5\npartitions: 0\nzone: UTC\n";
  expect(problemsOf(source)).toEqual([
    '2:24 `*` at the start of a value has another meaning in YAML; put the value in quotes: "*-ops"',
    '2:24 `receivers.a.to` must be a list, not "*-ops"; write to: [*-ops]',
    "4:8 `broker.qos` cannot be 5; write one of 0, 1, 2",
    "5:13 `partitions` cannot be 0; write at least 1",
    expect.stringContaining("6:1 unknown key `zone`"),
  ]);
});

test("a problem is shown with its file and its line", () => {
  const parsed = parseYaml("broker:\n  qos: 7 # odd\n", "conf/weir.yaml", schema);
  expect(parsed.ok ? "" : formatProblems(parsed.problems)).toBe(
    "conf/weir.yaml:2:8: `broker.qos` cannot be 7; write one of 0, 1, 2\n    qos: 7 # odd",
  );
});

test("an old key names the new one, or says what to do", () => {
  const renamed = {
    "broker.usersFile": "broker.users_file",
    webPort: "page.port",
    theme: "remove it: the page follows the system",
    "receivers.*.endpoint": "receivers.*.url",
  };
  const source =
    "broker: { usersFile: a }\nwebPort: 1\ntheme: dark\nreceivers: { a: { type: webhook, endpoint: b } }\n";
  expect(problemsOf(source, { renamed })).toEqual([
    "1:11 `broker.usersFile` is now `broker.users_file`; write users_file: here",
    "2:1 `webPort` is now `page.port`; move the value to `page.port`",
    "3:1 `theme` is not a key; remove it: the page follows the system",
    "4:34 `receivers.a.endpoint` is now `receivers.a.url`; write url: here",
  ]);
});

test.each([
  ["a value", 'receivers:\n  a: { type: webhook, url: "http://a", token: hunt2 }'],
  ["a value of a wrong type", "receivers:\n  a:\n    type: webhook\n    url: http://a\n    token: [hunt2]"],
  ["an item of a list", "page:\n  tokens:\n    - hu2"],
  ["a misspelt key", 'receivers: { a: { type: webhook, url: "http://a", tokn: hunt2 } }'],
  ["a fault of the YAML", 'receivers: { a: { type: webhook, url: "http://a" } }\ntoken: *hunt2'],
  ["a quote that is not closed", 'receivers:\n  a:\n    token: "hunt2'],
])("a secret is not shown: %s", (_, source) => {
  const secrets = ["receivers.*.token", "page.tokens.*"];
  const parsed = parseYaml(source, "weir.yaml", schema, { secrets });
  const text = parsed.ok ? "" : formatProblems(parsed.problems);
  expect(text).not.toBe("");
  expect(text).not.toMatch(/hunt2|hu2/);
});
