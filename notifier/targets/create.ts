import type { OwnBroker } from "../../contracts/notifications.ts";
import type { Environment } from "../../platform/files/secret-values.ts";
import type { CommonConfig, TargetConfig } from "../common/config.ts";
import { createAlertmanagerTarget } from "./alertmanager.ts";
import { createEmailTarget } from "./email.ts";
import { createMqttTarget } from "./mqtt.ts";
import type { Target } from "./target.ts";
import { createWebhookTarget } from "./webhook.ts";

export interface TargetOptions {
  readonly name: string;
  readonly environment: Environment;
  readonly externalUrl: string | undefined;
  readonly nowMs: () => number;
  readonly findOwnBroker: () => Promise<OwnBroker>;
}

/** The target of a configuration, and how it is to be treated. Throws SecretError. */
export function createTarget(config: TargetConfig, options: TargetOptions): { target: Target; common: CommonConfig } {
  const { webhook, mqtt, email, alertmanager } = config;
  if (webhook !== undefined) return { target: createWebhookTarget(webhook, options), common: webhook };
  if (mqtt !== undefined) return { target: createMqttTarget(mqtt, options), common: mqtt };
  if (email !== undefined) return { target: createEmailTarget(email, options), common: email };
  if (alertmanager !== undefined) {
    return { target: createAlertmanagerTarget(alertmanager, options), common: alertmanager };
  }
  throw new TypeError(`${options.name}: a target of no kind`);
}
