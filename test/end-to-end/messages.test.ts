import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { parseUsers } from "../../broker/auth/users-file.ts";
import { tempFolder, weir } from "./kit.ts";

const NO_RULES = { "rules/none.yaml": "rules: []\n" };
const PORTS = ["--mqtt-port", "0", "--http-port", "0"];
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const { path, remove } = await tempFolder(files);
  undo.push(remove);
  return path;
}

async function takenPort(): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  undo.push(() => new Promise((resolve) => server.close(resolve)));
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

test("a bad configuration: every problem at once, each with its place", async () => {
  const config = ["partitions: many", "sources:", "  - topic: a/{site}", "    formt: json", ""].join("\n");
  const cwd = await folder({ ...NO_RULES, "weir.yaml": config });
  const { code, output } = await weir(["up", ...PORTS], { cwd });
  expect(code).toBe(1);
  expect(output).toMatch(/weir\.yaml:1:13: `partitions` must be a whole number, not "many"/);
  expect(output).toMatch(/weir\.yaml:4:5: unknown key `formt`; did you mean `format`\?/);
  expect(output).not.toContain("    at ");
});

test("a file that is not YAML", async () => {
  const cwd = await folder({ ...NO_RULES, "weir.yaml": "partitions: [1, 2\n" });
  const { code, output } = await weir(["up", ...PORTS], { cwd });
  expect(code).toBe(1);
  expect(output).toMatch(/weir\.yaml:1:13: this \[ is never closed/);
});

test("bad rules: every problem at once, over all files", async () => {
  const cwd = await folder({
    "rules/a.yaml": 'rules:\n  - id: Hot Room\n    window: { tumbling: 1m }\n    when: "about 8"\n',
    "rules/b.yaml": "rules:\n  - id: x\n    window: { tumbling: soon }\n",
  });
  for (const args of [
    ["up", ...PORTS],
    ["rules", "check"],
  ]) {
    const { code, output } = await weir(args, { cwd });
    expect(code, output).toBe(1);
    const wanted = [
      ["a.yaml:2:9", '"Hot Room" is not an id', "write id: hot-room"],
      ["a.yaml:4:11", '"about 8" is not a condition', 'write for example "> 8"'],
      ["b.yaml:3:25", '"soon" is not a duration', "write for example 30s"],
    ];
    for (const text of wanted.flat()) expect(output).toContain(text);
  }
});

test("a missing rules folder that the user named", async () => {
  const cwd = await folder({ "weir.yaml": "" });
  const { code, output } = await weir(["up", ...PORTS, "--rules-dir", "my-rules"], { cwd });
  expect(code).toBe(1);
  expect(output).toContain("the rules folder cannot be read");
});

test("a missing rules folder of a gateway that has run before: its incidents must not end", async () => {
  const cwd = await folder({ "weir.yaml": "" });
  expect((await weir(["up", ...PORTS], { cwd, untilOutput: "Weir is up" })).code).toBe(0);
  await rm(join(cwd, "rules"), { recursive: true });
  const { output } = await weir(["up", ...PORTS], { cwd, untilOutput: "Weir is up" });
  expect(output).toContain("the rules folder cannot be read");
  expect(existsSync(join(cwd, "rules"))).toBe(false);
});

test.each([
  ["--mqtt-port", "--http-port"],
  ["--http-port", "--mqtt-port"],
])("a taken port: %s", async (flag, other) => {
  const cwd = await folder(NO_RULES);
  const port = await takenPort();
  const { code, output } = await weir(["up", flag, String(port), other, "0"], { cwd });
  expect(code).toBe(1);
  expect(output).toContain(String(port));
  expect(output).toContain(flag);
  expect(output).not.toContain("    at ");
});

test("no NATS server available", async () => {
  const cwd = await folder(NO_RULES);
  // Nothing on PATH but Node itself, an empty cache, and no network.
  const proxy = "http://127.0.0.1:9";
  const env = {
    PATH: dirname(process.execPath) === "/usr/bin" ? cwd : dirname(process.execPath),
    WEIR_CACHE_DIR: cwd,
    HTTPS_PROXY: proxy,
  };
  const { code, output } = await weir(["up", ...PORTS], { cwd, env });
  expect(code).toBe(1);
  expect(output).toMatch(/nats-server/i);
  expect(output).toMatch(/install|WEIR_NATS_URL|--nats-url/);
});

test("bad settings, in the environment and as flags", async () => {
  const cwd = await folder(NO_RULES);
  const env = { WEIR_HTTP_PROT: "1" };
  const { code, output } = await weir(["up", "--mqtt-port", "99999"], { cwd, env });
  expect(code).toBe(1);
  expect(output).toContain("WEIR_HTTP_PROT: is not a setting");
  expect(output).toContain(`--mqtt-port "99999": must be a port, 0 to 65535`);
});

test("half of InfluxDB's address: the rest may be in the environment or in weir.yaml", async () => {
  const cwd = await folder(NO_RULES);
  const env = { WEIR_INFLUX_URL: "http://127.0.0.1:1" };
  const { code, output } = await weir(["up", ...PORTS], { cwd, env });
  expect(code).toBe(1);
  expect(output).toContain("InfluxDB needs WEIR_INFLUX_TOKEN, WEIR_INFLUX_ORG, WEIR_INFLUX_BUCKET as well");
});

test("another number of partitions than the log has", async () => {
  const cwd = await folder(NO_RULES);
  const first = weir(["up", ...PORTS], { cwd, untilOutput: "Weir is up" });
  expect((await first).code).toBe(0);
  await writeFile(join(cwd, "weir.yaml"), "partitions: 8\n");
  const { code, output } = await weir(["up", ...PORTS], { cwd });
  expect(code).toBe(1);
  expect(output).toContain("Set partitions: 4 in weir.yaml");
});

test("a token of the feed that is not in the environment", async () => {
  const config = ["feed:", "  tokens:", "    - name: wall", "      token_env: WALL_TOKEN", ""].join("\n");
  const cwd = await folder({ ...NO_RULES, "weir.yaml": config });
  const { code, output } = await weir(["up", ...PORTS], { cwd });
  expect(code).toBe(1);
  expect(output).toContain("WALL_TOKEN");
  expect(output).not.toContain("    at ");
});

test("opening to the network without authentication is refused", async () => {
  const cwd = await folder(NO_RULES);
  const { code, output } = await weir(["up", ...PORTS, "--bind", "0.0.0.0"], { cwd });
  expect(code).toBe(1);
  expect(output).toContain("broker.users_file");
  expect(output).toContain("--insecure");
});

test("single services need the address of a NATS server", async () => {
  const cwd = await folder(NO_RULES);
  const { code, output } = await weir(["run", "processors"], { cwd });
  expect(code).toBe(1);
  expect(output).toContain("WEIR_NATS_URL");
});

test("passwd makes a users file that holds no password", async () => {
  const cwd = await folder({});
  const { code, output } = await weir(["passwd", "cold-1"], { cwd, input: "a good secret\n" });
  expect(code).toBe(0);
  const parsed = parseUsers(output, "users.yaml");
  expect(parsed.kind === "users" && [...parsed.users.byName.keys()]).toEqual(["cold-1"]);
  expect(output).toContain("$scrypt$");
  expect(output).not.toContain("a good secret");
});
