import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseYaml } from "../platform/files/yaml-file.ts";
import { notifierConfigSchema } from "./config.ts";
import { startNotifier } from "./notifier.ts";
import { receiverTargets } from "./receivers.ts";
import { configOf, testDeps } from "./testing/test-kit.ts";

const WEBHOOK = "{ webhook: { url: 'http://127.0.0.1:9/' } }";

test.each([
  ["receivers: { ops: [{}] }", /:1:20: receivers\.ops\.0: must be exactly one of webhook, mqtt, email, alertmanager/],
  ["receivers: { ops: [{ webhook: {} }] }", /exactly one of url, url_env .* and url_file/],
  ["receivers: { ops: [{ webhook: { url: 'ftp://x' } }] }", /must be an address like https/],
  ["receivers: { ops: [{ webhook: { url_env: WEIR_HOOK } }] }", /must not begin with WEIR_/],
  ["receivers: { ops: [{ webhook: { url: 'http://x', secret: abc } }] }", /unknown key `secret`/],
  ["receivers: { ops: [{ mqtt: { topic: 'a/#' } }] }", /must not hold #/],
  [
    "receivers: { ops: [{ mqtt: { topic: 'a/{rule}/{{ device }}' } }] }",
    /topic: \{rule\} is written \{\{ rule \}\}; write "a\/\{\{ rule \}\}\/\{\{ device \}\}"/,
  ],
  ["receivers: { ops: [{ mqtt: { topic: 'a/{{ device | uper }}' } }] }", /helper `uper`; did you mean upper\?/],
  [
    "receivers: { ops: [{ webhook: { url: 'http://x', text: '{{ since }}' } }] }",
    /called `active_at`; write .*active_at/,
  ],
  ["receivers: { ops: [{ email: { host: h, from: x, to: [a@b] } }] }", /from: must be an address/],
  [
    `receivers: { ops: [${WEBHOOK}] }\nroutes: [{ receivers: [opps] }]`,
    /:2:\d+: routes\.0\.receivers\.0: "opps" is not a receiver; the receivers are: ops/,
  ],
  [
    "receivers: { ops: [{ mqtt: { name: a } }, { webhook: { name: a, url: 'http://x' } }] }",
    /two targets are named "a"/,
  ],
  ["defaults: { repeat_interval: often }", /"often" is not a duration/],
  ["defaults: { group_wait: 3000d }", /from 0s to 1d/],
])("%s", (yaml, message) => {
  const parsed = parseYaml(yaml, "weir.yaml", notifierConfigSchema);
  const text = parsed.ok
    ? "fine"
    : parsed.problems.map((p) => `${p.file}:${p.line}:${p.column}: ${p.message}`).join("\n");
  expect(text).toMatch(message);
});

test("each target of a receiver has a name", () => {
  const url = "http://127.0.0.1:9/";
  const config = configOf({
    ops: [{ webhook: { url } }, { mqtt: {} }, { webhook: { url } }, { webhook: { url, name: "x" } }],
  });
  const names = receiverTargets(config).map(({ name }) => name);
  expect(names).toEqual(["ops.webhook", "ops.mqtt", "ops.webhook-2", "ops.x"]);
});

test("all missing secrets are reported at once, and nothing starts", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-secrets-"));
  try {
    writeFileSync(join(folder, "empty"), "\n");
    const config = configOf({
      ops: [
        { webhook: { url: "http://127.0.0.1:9/", secret_env: "HOOK_SECRET" } },
        { webhook: { url_file: join(folder, "none") } },
        { mqtt: { url: "mqtt://127.0.0.1:9", username: "u", password_file: join(folder, "empty") } },
        { webhook: { url: "http://127.0.0.1:9/", secret_env: "WEAK" } },
        { alertmanager: { url_env: "AM" } },
      ],
    });
    const error: Error = await startNotifier(config, testDeps({ environment: { WEAK: "abc", AM: "am:9093" } })).then(
      () => new Error("it started"),
      (reason: Error) => reason,
    );
    expect(error.name).toBe("NotifierSecretsError");
    expect(error.message.split("\n")).toEqual([
      expect.stringMatching(/^ops\.webhook: .*HOOK_SECRET is not set/),
      expect.stringMatching(/^ops\.webhook-2: address: cannot read/),
      expect.stringMatching(/^ops\.mqtt: .*is empty$/),
      expect.stringMatching(/^ops\.webhook-3: the signing secret must be/),
      expect.stringMatching(/^ops\.alertmanager: the environment variable AM must hold an address/),
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
