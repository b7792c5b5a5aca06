import { z } from "zod";
import { ALERTMANAGER } from "./alertmanager.ts";
import { EMAIL } from "./email.ts";
import { MQTT } from "./mqtt.ts";
import { secretTexts, withoutSecrets } from "./redacted.ts";
import type { Target } from "./target.ts";
import type { Address, SecretPlace, TargetContext, TargetKind } from "./target-kind.ts";
import type { TargetSettings } from "./target-settings.ts";
import { WEBHOOK } from "./webhook.ts";

/**
 * The kinds of targets. To add one: write its file beside `webhook.ts`, its test beside `webhook.test.ts` (which runs
 * the conformance suite), and its line here. Everything else derives from this table.
 */
const KINDS = {
  webhook: WEBHOOK,
  mqtt: MQTT,
  email: EMAIL,
  alertmanager: ALERTMANAGER,
};

export type KindName = keyof typeof KINDS;
type SettingsOf = { readonly [Kind in KindName]: z.output<(typeof KINDS)[Kind]["schema"]> };

export const TARGET_KINDS: { readonly [Kind in KindName]: TargetKind<SettingsOf[Kind]> } = KINDS;
// The keys of an object literal are exactly these.
export const KIND_NAMES = Object.keys(KINDS) as KindName[];

/** An item of a receiver's list: one kind, with its settings. */
export type TargetConfig = { readonly [Kind in KindName]?: SettingsOf[Kind] | undefined };

export const targetSchema: z.ZodType<TargetConfig> = z
  .strictObject(
    Object.fromEntries(KIND_NAMES.map((kind) => [kind, KINDS[kind].schema.optional().describe(KINDS[kind].doc)])),
  )
  .refine(hasOneKind, {
    error: `must be exactly one of ${KIND_NAMES.join(", ")}; start another list item for another one`,
  });

export function hasOneKind(target: TargetConfig): boolean {
  return Object.values(target).filter((each) => each !== undefined).length === 1;
}

/** A configured target of any kind. */
export interface ConfiguredTarget {
  readonly kind: KindName;
  readonly settings: TargetSettings;
  readonly secrets: readonly SecretPlace[];
  /** Throws SecretError. The target never reports a secret. */
  create(context: TargetContext): Target;
  address(context: TargetContext): Address | "own-broker";
}

/** Throws TypeError for a target without a kind. The schema refuses such a target. */
export function configuredTarget(config: TargetConfig): ConfiguredTarget {
  for (const kind of KIND_NAMES) {
    const found = configuredAs(kind, config[kind]);
    if (found !== undefined) return found;
  }
  throw new TypeError("a target without a kind");
}

function configuredAs<Kind extends KindName>(
  kind: Kind,
  settings: SettingsOf[Kind] | undefined,
): ConfiguredTarget | undefined {
  if (settings === undefined) return undefined;
  const record: TargetKind<SettingsOf[Kind]> = TARGET_KINDS[kind];
  const secrets = record.secrets(settings);
  return {
    kind,
    settings,
    secrets,
    create(context) {
      const target = record.create(settings, context);
      return withoutSecrets(target, secretTexts(context.name, secrets, context.environment));
    },
    address: (context) => record.address(settings, context),
  };
}

/** The name of each target of a receiver: its configured name, or its kind, numbered from the second on. */
export function targetNames(targets: readonly ConfiguredTarget[]): string[] {
  const seen = new Map<string, number>();
  return targets.map(({ kind, settings }) => {
    if (settings.name !== undefined) return settings.name;
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    return count === 1 ? kind : `${kind}-${count}`;
  });
}
