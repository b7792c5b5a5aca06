import type { Service } from "../../platform/service.ts";

/** Ports that a running service listens on. */
export interface Addresses {
  readonly mqttPort?: number;
  readonly mqttWsPort?: number;
  readonly httpPort?: number;
}

export type Started = Pick<Service, "health" | "stop"> & { readonly addresses: Addresses };
