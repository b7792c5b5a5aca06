import { expect, test } from "vitest";
import { notificationOf } from "../testing/target-kit.ts";
import { secretTexts, withoutSecrets } from "./redacted.ts";
import type { Outcome, Target } from "./target.ts";

const ENVIRONMENT = {
  HOOK: "https://hooks.example/T0/B1/abcdefghij?key=1",
  KEYS: "whsec_first whsec_second",
  SHORT: "abc",
};
const SECRETS = secretTexts("ops.webhook", [{ env: "HOOK" }, { env: "KEYS" }, { env: "SHORT" }, {}], ENVIRONMENT);

async function reported(outcome: Outcome): Promise<Outcome> {
  const target: Target = { send: async () => outcome, close: async () => {} };
  return withoutSecrets(target, SECRETS).send(notificationOf(1), AbortSignal.timeout(1_000));
}

test.each([
  ["an address", "no answer from https://hooks.example/T0/B1/abcdefghij?key=1", "no answer from [secret]"],
  ["the path of an address", "404: /T0/B1/abcdefghij?key=1 not found", "404: [secret] not found"],
  ["each of two keys", "whsec_second is old, whsec_first is not", "[secret] is old, [secret] is not"],
  ["a secret that is cut off", "401: your key whsec_sec", "401: your key [secret]"],
  ["nothing else", "abc: connection refused", "abc: connection refused"],
])("blanks %s", async (_, error, expected) => {
  expect(await reported({ kind: "failed", error })).toEqual({ kind: "failed", error: expected });
  expect(await reported({ kind: "delivered", note: error })).toEqual({ kind: "delivered", note: expected });
});

test("names a missing secret", () => {
  expect(() => secretTexts("ops.webhook", [{ env: "NONE" }], {})).toThrow(/ops\.webhook: .*NONE is not set/);
});
