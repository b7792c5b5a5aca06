import { existsSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../../domain/user-error.ts";

/** A setting of the process: a flag and an environment variable with the same meaning. */
interface SettingOption {
  readonly flag: string;
  readonly variable: string;
  readonly argument: string;
  readonly description: string;
  /** What a value must be: `a port, 0 to 65535`. */
  readonly must: string;
}

/** The configuration, if no other file is given. */
export const CONFIG_FILE = "weir.yaml";

const MUST: Readonly<Record<string, string>> = {
  port: "a port, 0 to 65535",
  address: "an address",
  folder: "a folder",
  file: "a file",
};

const port = z.coerce.number().int().min(0).max(65_535);

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

const settingsSchema = z.object({
  mqttPort: port.default(1883),
  mqttWsPort: port.optional(),
  httpPort: port.default(8080),
  bind: z.string().min(1).default("127.0.0.1"),
  dataDir: z.string().min(1).default(".weir"),
  config: z.string().min(1).optional(),
  rulesDir: z.string().min(1).default("rules"),
  natsUrl: z.string().min(1).optional(),
  natsToken: z.string().min(1).optional(),
  influxUrl: z.url({ protocol: /^https?$/ }).optional(),
  influxToken: z.string().min(1).optional(),
  influxOrg: z.string().min(1).optional(),
  influxBucket: z.string().min(1).optional(),
  logLevel: z.enum(LEVELS).default("info"),
});

export type Settings = z.output<typeof settingsSchema> & {
  readonly insecure: boolean;
  /** Whether `rulesDir` differs from the default. */
  readonly rulesDirGiven: boolean;
};
type SettingName = keyof z.output<typeof settingsSchema>;

/** Flags in the order of the help text. */
export const SETTINGS: Readonly<Record<SettingName, SettingOption>> = {
  mqttPort: setting("mqtt-port", "port", "port of MQTT over TCP (default 1883; 0: any free port)"),
  mqttWsPort: setting("mqtt-ws-port", "port", "port of MQTT over WebSocket (default: none)"),
  httpPort: setting("http-port", "port", "port of the page, the feed and the API (default 8080; 0: any free port)"),
  bind: setting("bind", "address", "address to listen on (default 127.0.0.1)"),
  dataDir: setting("data-dir", "folder", "folder for all data (default .weir)"),
  config: setting("config", "file", "configuration file (default weir.yaml, if it exists)"),
  rulesDir: setting("rules-dir", "folder", "folder of rule files (default rules)"),
  natsUrl: setting(
    "nats-url",
    "url",
    "NATS server to use (default: Weir starts one)",
    "an address like nats://127.0.0.1:4222",
  ),
  natsToken: setting("nats-token", "token", "token of the NATS server; safer in the environment"),
  influxUrl: setting(
    "influx-url",
    "url",
    "InfluxDB 2 to store results in (default: an embedded DuckDB)",
    "an address like http://127.0.0.1:8086",
  ),
  influxToken: setting("influx-token", "token", "token of InfluxDB; safer in the environment"),
  influxOrg: setting("influx-org", "name", "organization in InfluxDB"),
  influxBucket: setting("influx-bucket", "name", "bucket in InfluxDB"),
  logLevel: setting("log-level", "level", `one of ${LEVELS.join(", ")} (default info)`, `one of ${LEVELS.join(", ")}`),
};

function setting(name: string, argument: string, description: string, must?: string): SettingOption {
  const variable = `WEIR_${name.toUpperCase().replaceAll("-", "_")}`;
  return { flag: `--${name}`, variable, argument, description, must: must ?? MUST[argument] ?? "a text" };
}

/** Process settings that cannot be used; the message names all of them. */
export class BadSettingsError extends UserError {
  override readonly name = "BadSettingsError";
}

/** Flags win over the environment. Throws BadSettingsError with every problem at once. */
export function readSettings(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
): Settings {
  const given: Record<string, unknown> = {};
  const known = new Set(Object.values(SETTINGS).map(({ variable }) => variable));
  for (const [name, { variable }] of Object.entries(SETTINGS)) {
    const value = flags[name] ?? (environment[variable] || undefined);
    if (value !== undefined) given[name] = value;
  }
  const problems = Object.keys(environment)
    .filter((name) => name.startsWith("WEIR_") && !known.has(name) && !OTHER_VARIABLES.has(name))
    .map((name) => `${name}: is not a setting; is it misspelled?`);
  const parsed = settingsSchema.safeParse(given);
  for (const { path } of parsed.error?.issues ?? []) {
    const name = path[0] as SettingName;
    const { flag, variable, must } = SETTINGS[name];
    const where = flags[name] === undefined ? `${variable}=` : `${flag} `;
    problems.push(`${where}${JSON.stringify(given[name])}: must be ${must}`);
  }
  if (problems.length > 0 || !parsed.success) throw new BadSettingsError(problems.join("\n"));
  const config = parsed.data.config ?? (existsSync(CONFIG_FILE) ? CONFIG_FILE : undefined);
  return { ...parsed.data, config, insecure: flags.insecure === true, rulesDirGiven: given.rulesDir !== undefined };
}

/** Variables that other code reads: where servers are cached, and where tests find them. */
const OTHER_VARIABLES = new Set(["WEIR_CACHE_DIR", "WEIR_INFLUXD", "WEIR_CHROMIUM"]);
