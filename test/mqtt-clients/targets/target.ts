import type { Transport } from "../common/port.ts";

/** A broker that the clients talk to, with a certificate and three users. */
export interface Target {
  readonly name: string;
  readonly host: string;
  readonly ports: Readonly<Record<Transport, number>>;
  readonly caFile: string;
  stop(): Promise<void>;
}

/** May use all topics but those below `refused/`. */
export const USER = { username: "panel", password: "a-good-password" } as const;
/** May use no topics at all. */
export const STRANGER = { username: "stranger", password: "another-password" } as const;
/** Nobody may use it. */
export const REFUSED_TOPIC = "refused/door";
