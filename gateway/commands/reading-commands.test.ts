import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { Command } from "commander";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connectJetStreamLog } from "../../platform/log/jetstream.ts";
import { type LaunchedNatsServer, launchNatsServer } from "../../platform/nats-server/launch.ts";
import { addAlertCommands } from "./alerts/alerts.ts";
import { addSilenceCommands } from "./alerts/silences.ts";
import { addDeadLetterCommands } from "./dead-letters/dead-letters.ts";
import { addRulesBacktestCommands } from "./rules/rules-backtest.ts";
import { addRulesExplainCommand } from "./rules/rules-explain.ts";

const logger = pino({ level: "silent" });
let folder = "";
let server: LaunchedNatsServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-reading-"));
  server = await launchNatsServer({ dataDir: folder, logger });
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command on the server; resolves to the message of its failure, empty without one. */
async function run(words: string): Promise<string> {
  const program = new Command("weir").exitOverride().configureOutput({ writeErr: () => {} });
  addAlertCommands(program);
  addSilenceCommands(program);
  addDeadLetterCommands(program);
  const rules = program.command("rules");
  addRulesBacktestCommands(rules);
  addRulesExplainCommand(rules);
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    await program.parseAsync([...words.split(" "), "--nats-url", server.url, "--nats-token", server.token], {
      from: "user",
    });
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    write.mockRestore();
  }
}

async function kept(): Promise<Map<string, unknown>> {
  const nc = await connect({ servers: server.url, token: server.token });
  const found = new Map<string, unknown>();
  for await (const { config, state } of (await jetstreamManager(nc)).streams.list()) {
    // Consumers come and go with readers.
    const { consumer_count: _, ...contents } = state;
    found.set(config.name, { config, contents });
  }
  await nc.close();
  return found;
}

const ASKING = ["alerts list", "silences list", "rules explain --why-not hot"];

test("on a server without Weir's streams they report that, and create none", async () => {
  for (const words of ["deadletters list", "deadletters show 1"]) {
    expect(await run(words), words).toMatch(/ has no stream DEADLETTERS: .*weir up/);
  }
  expect(await run("rules backtest rules --over log --from 1h")).toMatch(/has no stream READINGS/);
  for (const words of ASKING) expect(await run(words), words).toMatch(/does not answer|no processor answers/);
  expect([...(await kept()).keys()]).toEqual([]);
});

test("on a server with long retentions, they change nothing", async () => {
  const retention = { maxAgeMs: 90 * 86_400_000, maxBytes: 2 ** 29 };
  const log = await connectJetStreamLog({
    servers: server.url,
    token: server.token,
    name: "test",
    partitions: 3,
    retention: { readings: retention, windows: retention, alerts: retention, deadLetters: retention },
    logger,
  });
  for (let i = 0; i < 40; i++) await log.append({ subject: "readings.0", payload: new Uint8Array(500_000) });
  await log.close();
  const before = await kept();
  expect(before.size).toBe(13);
  for (const words of [...ASKING, "deadletters list", "deadletters show 1", "rules backtest rules --over log"]) {
    await run(words);
  }
  expect(await kept()).toEqual(before);
});
