import { z } from "zod";
import { COMPATIBILITY_LEVELS } from "../common/compatibility.ts";
import { DEFAULT_LEVEL, levelOf, modeOf } from "./registry.ts";
import { RegistryError } from "./registry-error.ts";
import type { RegistryIndex } from "./registry-index.ts";
import type { RegistryCall, RegistryRoute } from "./route.ts";

type Settings = RegistryIndex["settings"];

const levelBody = z.object({ compatibility: z.enum(COMPATIBILITY_LEVELS) });
const modeBody = z.object({ mode: z.enum(["READWRITE", "READONLY"]) });

async function setLevel({ registry, names: [subject], body }: RegistryCall): Promise<object> {
  const parsed = levelBody.safeParse(body);
  if (!parsed.success) {
    const levels = COMPATIBILITY_LEVELS.join(", ");
    throw new RegistryError(42_203, `Invalid compatibility level. Valid values are ${levels}`);
  }
  const { compatibility } = parsed.data;
  await registry.records.change((index) => change(index, subject, { compatibility }));
  return { compatibility };
}

async function setMode({ registry, names: [subject], body }: RegistryCall): Promise<object> {
  const parsed = modeBody.safeParse(body);
  if (!parsed.success) throw new RegistryError(42_204, "Invalid mode. Valid values are READWRITE, READONLY");
  await registry.records.change((index) => change(index, subject, parsed.data));
  return parsed.data;
}

function change(index: RegistryIndex, subject: string | undefined, settings: Settings): void {
  if (subject === undefined) Object.assign(index.settings, settings);
  else index.subjectSettings[subject] = { ...index.subjectSettings[subject], ...settings };
}

async function unset({ registry, names: [subject] }: RegistryCall, name: keyof Settings): Promise<Settings> {
  return await registry.records.change((index) => {
    const settings = subject === undefined ? index.settings : (index.subjectSettings[subject] ?? {});
    const before = settings[name];
    if (subject !== undefined && before === undefined) throw notConfigured(subject, name);
    delete settings[name];
    return { [name]: before ?? (name === "mode" ? "READWRITE" : DEFAULT_LEVEL) };
  });
}

function notConfigured(subject: string, name: keyof Settings): RegistryError {
  return name === "mode"
    ? new RegistryError(40_409, `Subject '${subject}' does not have subject-level mode configured`)
    : new RegistryError(40_408, `Subject '${subject}' does not have subject-level compatibility configured`);
}

async function settingOf({ registry, names: [subject], query }: RegistryCall, name: keyof Settings): Promise<string> {
  const index = await registry.records.refresh();
  const isOwn = subject === undefined || index.subjectSettings[subject]?.[name] !== undefined;
  if (!isOwn && query.defaultToGlobal !== "true") throw notConfigured(subject, name);
  return name === "mode" ? modeOf(index, subject ?? "") : levelOf(index, subject ?? "");
}

const levels = {
  GET: async (call: RegistryCall) => ({ compatibilityLevel: await settingOf(call, "compatibility") }),
  PUT: setLevel,
  DELETE: (call: RegistryCall) => unset(call, "compatibility"),
} as const;

const modes = {
  GET: async (call: RegistryCall) => ({ mode: await settingOf(call, "mode") }),
  PUT: setMode,
  DELETE: (call: RegistryCall) => unset(call, "mode"),
} as const;

const METHODS = ["GET", "PUT", "DELETE"] as const;

/** `/config` and `/mode`, for all subjects and for one. */
export const SETTINGS_ROUTES: readonly RegistryRoute[] = METHODS.flatMap((method) =>
  ["", "/*"].flatMap((end) => [
    { method, path: `config${end}`, handle: levels[method] },
    { method, path: `mode${end}`, handle: modes[method] },
  ]),
);
