import type { Environment } from "../../platform/files/secret-values.ts";
import type { Notification } from "../common/notification.ts";
import { type ConfiguredTarget, configuredTarget, type KindName } from "../targets/kinds.ts";
import type { Target } from "../targets/target.ts";
import type { TargetContext } from "../targets/target-kind.ts";
import { type ChangeOptions, changeOf, configOf, T0 } from "./test-kit.ts";

export interface TargetOptions {
  readonly environment?: Environment;
  readonly findOwnBroker?: TargetContext["findOwnBroker"];
}

export function configuredOf(kind: KindName, settings: Readonly<Record<string, unknown>>): ConfiguredTarget {
  const [config] = configOf({ ops: [{ [kind]: settings }] }).receivers.ops ?? [];
  if (config === undefined) throw new Error("no target");
  return configuredTarget(config);
}

/** A target as the notifier creates it from weir.yaml. */
export function targetOf(
  kind: KindName,
  settings: Readonly<Record<string, unknown>>,
  options: TargetOptions = {},
): Target {
  return configuredOf(kind, settings).create({
    name: `ops.${kind}`,
    environment: options.environment ?? {},
    externalUrl: "https://weir.example",
    nowMs: () => Date.now(),
    findOwnBroker: options.findOwnBroker ?? (() => Promise.reject(new Error("no broker"))),
  });
}

/** A notification of one alert, or of a group. */
export function notificationOf(devices: number | readonly string[], options: ChangeOptions = {}): Notification {
  const names = typeof devices === "number" ? Array.from({ length: devices }, (_, i) => `d${i}`) : devices;
  const changes = names.map((device, i) => ({
    ...{ alert: `hot.${device}`, sequence: i + 1, storedAtUs: T0, source: "/weir" },
    change: changeOf({ device, ...options }),
  }));
  const grouped = names.length > 1;
  return { id: "msg_1", receiver: "ops.test", repeat: 0, grouped, labels: grouped ? { site: "north" } : {}, changes };
}
