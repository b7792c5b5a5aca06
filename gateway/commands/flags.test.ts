import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, expect, test, vi } from "vitest";
import { readSettings } from "../settings/settings.ts";
import { addCommands, COMMANDS } from "./commands.ts";
import { addressOf } from "./common/running-gateway.ts";

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** With all commands, or one. */
async function program(named?: string): Promise<Command> {
  const weir = new Command("weir").exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  await addCommands(weir, named);
  return weir;
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

const WEIR = await program();

function find(path: string): Command {
  const found = path
    .split(" ")
    .reduce<Command | undefined>((at, name) => at?.commands.find((each) => each.name() === name), WEIR);
  if (found === undefined) throw new Error(`no command ${path}`);
  return found;
}

test.each([
  [{ mqttPort: "99999" }, {}, '--mqtt-port "99999": must be a port, 0 to 65535'],
  [{ httpPort: "x" }, {}, '--http-port "x": must be a port, 0 to 65535'],
  [{}, { WEIR_HTTP_PORT: "x" }, 'WEIR_HTTP_PORT="x": must be a port, 0 to 65535'],
  [{ logLevel: "loud" }, {}, '--log-level "loud": must be one of trace, debug, info, warn, error, fatal, silent'],
  [{ influxUrl: "host" }, {}, '--influx-url "host": must be an address like http://127.0.0.1:8086'],
])("a setting that cannot be used is named with what is allowed: %j %j", (flags, environment, message) => {
  expect(() => readSettings(flags, environment)).toThrow(message);
});

test("every setting that cannot be used is named at once", () => {
  expect(() => readSettings({ mqttPort: "x", logLevel: "loud" }, { WEIR_BIN: "y" })).toThrow(
    /^WEIR_BIN: is not a setting.*\n--mqtt-port "x".*\n--log-level "loud"/,
  );
});

test.each([
  ["fleet --devices many", '--devices many: `devices` must be a whole number, not "many"'],
  ["fleet --interval soon", '--interval soon: "soon" is not a duration'],
  ["fleet --qos 7", "--qos 7: `qos` cannot be 7; write one of 0, 1, 2, mixed"],
  ["replay --speed slow", "`paths` is missing"],
])("weir simulate %s says what is wrong with the flag", async (words, message) => {
  const weir = await program("simulate");
  await expect(weir.parseAsync(["simulate", ...words.split(" ")], { from: "user" })).rejects.toThrow(message);
});

test("help offers only flags that the command uses, and true defaults", () => {
  const flags = (path: string) => find(path).options.map(({ long }) => long);
  expect(flags("log show")).toEqual(["--data-dir", "--config", "--nats-url", "--nats-token"]);
  expect(flags("doctor")).not.toContain("--log-level");
  const natsUrl = (path: string) => find(path).options.find(({ long }) => long === "--nats-url")?.description;
  expect(natsUrl("up")).toContain("default: Weir starts one");
  for (const path of ["run", "log show", "alerts list"]) expect(natsUrl(path)).toContain("nats.url in weir.yaml");
});

test.each(COMMANDS)("the file of $names adds them, and no other command", async ({ names }) => {
  for (const name of names) expect((await program(name)).commands.map((each) => each.name())).toEqual(names);
});

test("a word that is no command, like help, finds all commands", async () => {
  const all = COMMANDS.flatMap(({ names }) => names);
  for (const word of [undefined, "help", "--help"]) {
    expect((await program(word)).commands.map((each) => each.name())).toEqual(all);
  }
});

test("one flag asks for JSON, everywhere", () => {
  const commands = allCommands(WEIR);
  const json = commands.filter(({ options }) => options.some(({ long }) => long === "--json"));
  expect(json.map((command) => command.name())).toEqual([]);
  for (const path of ["alerts list", "alerts deliveries", "silences list", "deadletters list", "rules explain"]) {
    expect(find(path).options.map(({ long }) => long)).toContain("--format");
  }
});

test("commands beside a gateway find its server: by a flag, in the data folder, or in weir.yaml", async () => {
  const folder = await mkdtemp(join(tmpdir(), "weir-reach-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const config = join(folder, "weir.yaml");
  await writeFile(config, "nats: { url: nats://shared:4222, token_env: SHARED_TOKEN }\n");
  vi.stubEnv("SHARED_TOKEN", "secret");
  undo.push(() => vi.unstubAllEnvs());
  const dataDir = join(folder, "data");
  expect(addressOf({ dataDir, config, natsUrl: "nats://other:4222" }).url).toBe("nats://other:4222");
  expect(addressOf({ dataDir, config })).toEqual({ url: "nats://shared:4222", token: "secret" });
  await writeFile(join(folder, "run.json"), JSON.stringify({ natsUrl: "nats://127.0.0.1:9", natsToken: "t" }));
  expect(addressOf({ dataDir: folder, config })).toEqual({ url: "nats://127.0.0.1:9", token: "t" });
  await writeFile(config, "partitions: 2\n");
  expect(() => addressOf({ dataDir, config })).toThrow(/no gateway is running/);
});
