import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Library } from "../common/port.ts";
import { driver } from "./driver.ts";
import { mqttJs } from "./mqtt-js.ts";

/** The sources of the drivers, also when this file runs from `build/`. */
const ROOT = rootOf(dirname(fileURLToPath(import.meta.url)));
const DRIVERS = join(ROOT, "test", "mqtt-clients", "drivers");

const COMMON = ["topic alias", "order of user properties", "empty client id"] as const;

/** All client libraries. `provide-clients.mjs` gets those that are not in this repository. */
export function allLibraries(): Library[] {
  const python = cached("python", ["requirements.txt"], "bin", "python");
  return [
    mqttJs(),
    driver({
      name: "paho (Python)",
      command: [python, join(DRIVERS, "paho_python.py")],
      versions: [4, 5],
      transports: ["tcp", "tls", "ws"],
      // It ignores the code of a PUBREC.
      features: [
        ...COMMON,
        "reason codes of PUBACK",
        "reason code of disconnect",
        "content type of wills",
        "reconnects",
      ],
    }),
    driver({
      name: "gmqtt (Python)",
      command: [python, join(DRIVERS, "gmqtt_python.py")],
      versions: [4, 5],
      transports: ["tcp", "tls"],
      // It makes a client id itself, and reports no codes of acknowledgements.
      features: ["topic alias", "order of user properties", "content type of wills"],
    }),
    driver({
      name: "paho (Go)",
      command: [cached("paho-go", ["go/main.go", "go/go.mod"])],
      versions: [5],
      transports: ["tcp", "tls", "ws"],
      // It does not send the content type of a will.
      features: [...COMMON, "reason codes of PUBACK", "reason codes of PUBREC", "reason code of disconnect"],
    }),
  ];
}

/** The client of Home Assistant: Paho, used as it uses it. */
export function homeAssistant(): Library {
  return driver({
    name: "Home Assistant",
    command: [cached("python", ["requirements.txt"], "bin", "python"), join(DRIVERS, "home_assistant.py")],
    versions: [4, 5],
    transports: ["tcp", "tls", "ws"],
    features: [],
  });
}

/** A path in the cache that changes with the sources it was made from. */
function cached(name: string, sources: readonly string[], ...inside: readonly string[]): string {
  const hash = createHash("sha256");
  for (const source of sources) hash.update(readFileSync(join(DRIVERS, source)));
  const cache = process.env.WEIR_CACHE_DIR ?? join(homedir(), ".cache", "weir");
  const path = join(cache, "mqtt-clients", `${name}-${hash.digest("hex").slice(0, 12)}`, ...inside);
  if (!existsSync(path)) throw new Error(`${path} is missing: run node test/mqtt-clients/provide-clients.mjs`);
  return path;
}

function rootOf(folder: string): string {
  return existsSync(join(folder, "package.json")) ? folder : rootOf(dirname(folder));
}
