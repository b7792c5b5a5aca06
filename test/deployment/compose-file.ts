import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { z } from "zod";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const serviceSchema = z.object({
  build: z.string().optional(),
  command: z.array(z.string()),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
});

const fileSchema = z.object({ services: z.record(z.string(), z.unknown()) });

interface Mount {
  readonly from: string;
  readonly to: string;
  readonly readOnly: boolean;
}

/** A service of docker-compose.yml that runs Weir's own image. */
export interface WeirService {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly mounts: readonly Mount[];
  readonly healthcheck: readonly string[] | undefined;
}

/** The services that are built here, with the variables of `.env` filled in as Compose does. */
export function readWeirServices(variables: Readonly<Record<string, string>>): readonly WeirService[] {
  const text = readFileSync(`${ROOT}/docker-compose.yml`, "utf8");
  const { services } = fileSchema.parse(parse(text, { merge: true }));
  return Object.entries(services).flatMap(([name, content]) => {
    const service = serviceSchema.safeParse(content);
    if (!service.success || service.data.build === undefined) return [];
    const { command, environment, ports, volumes, healthcheck } = service.data;
    const filled = Object.entries(environment).map(([key, value]) => [key, fillIn(value, variables)]);
    return [
      {
        name,
        command,
        environment: Object.fromEntries(filled),
        ports,
        mounts: volumes.map(mountOf),
        healthcheck: healthcheck?.test,
      },
    ];
  });
}

function fillIn(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{(\w+)(?::\?[^}]*)?\}/g, (_, name: string) => {
    const value = variables[name];
    if (value === undefined) throw new Error(`docker-compose.yml wants ${name}, which its own words do not name`);
    return value;
  });
}

function mountOf(text: string): Mount {
  const [from = "", to = "", mode] = text.split(":");
  return { from, to, readOnly: mode === "ro" };
}

/** The variables that the instructions at the top of the file put into `.env`. */
export function namedVariables(): readonly string[] {
  const text = readFileSync(`${ROOT}/docker-compose.yml`, "utf8");
  return [...text.matchAll(/^# +(\w+)=\.\.\./gm)].map(([, name]) => name ?? "");
}
