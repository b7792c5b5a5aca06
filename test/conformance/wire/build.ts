import { HEAD, type Part, packet, prefixed, type Qos, u16, type Version } from "./bytes.ts";
import { type Properties, properties } from "./properties.ts";

/** The packets of a client. Well-formed, unless a caller passes something else. */

export interface Will {
  readonly topic: string;
  readonly payload?: string;
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly properties?: Properties;
}

export interface ConnectOptions {
  readonly id?: string;
  readonly clean?: boolean;
  readonly keepalive?: number;
  readonly will?: Will;
  readonly user?: string;
  readonly password?: string;
  readonly properties?: Properties;
  /** Instead of the flags that follow from the others. */
  readonly flags?: number;
  readonly protocol?: { readonly name?: string; readonly level?: number };
}

export function connectPacket(version: Version, options: ConnectOptions = {}): Uint8Array {
  const { id = "", clean = true, keepalive = 0, will, user, password, protocol } = options;
  const fields: Part[] = [prefixed(id)];
  if (will !== undefined) {
    if (version === 5) fields.push(properties(will.properties));
    fields.push(prefixed(will.topic), prefixed(will.payload ?? ""));
  }
  if (user !== undefined) fields.push(prefixed(user));
  if (password !== undefined) fields.push(prefixed(password));
  const flags =
    (clean ? 0x02 : 0) |
    (will === undefined ? 0 : 0x04 | ((will.qos ?? 0) << 3) | (will.retain === true ? 0x20 : 0)) |
    (password === undefined ? 0 : 0x40) |
    (user === undefined ? 0 : 0x80);
  return packet(
    HEAD.connect,
    prefixed(protocol?.name ?? "MQTT"),
    [protocol?.level ?? version, options.flags ?? flags, ...u16(keepalive)],
    version === 5 ? properties(options.properties) : [],
    ...fields,
  );
}

export interface PublishOptions {
  readonly qos?: Qos;
  readonly id?: number;
  readonly dup?: boolean;
  readonly retain?: boolean;
  readonly properties?: Properties;
}

export function publishPacket(
  version: Version,
  topic: string | Uint8Array,
  payload: string | Uint8Array,
  options: PublishOptions = {},
): Uint8Array {
  const { qos = 0, id, dup = false, retain = false } = options;
  return packet(
    0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0),
    prefixed(topic),
    qos > 0 ? u16(id ?? 1) : [],
    version === 5 ? properties(options.properties) : [],
    Buffer.from(payload),
  );
}

export interface Wish {
  readonly filter: string | Uint8Array;
  readonly qos?: Qos;
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: 0 | 1 | 2;
  /** Instead of the byte that follows from the others. */
  readonly options?: number;
}

export function subscribePacket(
  version: Version,
  id: number,
  wishes: readonly Wish[],
  props: Properties = {},
): Uint8Array {
  const fields = wishes.flatMap((wish) => [
    prefixed(wish.filter),
    [
      wish.options ??
        (wish.qos ?? 0) |
          (wish.noLocal === true ? 4 : 0) |
          (wish.retainAsPublished === true ? 8 : 0) |
          ((wish.retainHandling ?? 0) << 4),
    ],
  ]);
  return packet(HEAD.subscribe, u16(id), version === 5 ? properties(props) : [], ...fields);
}

export function unsubscribePacket(version: Version, id: number, filters: readonly (string | Uint8Array)[]): Uint8Array {
  return packet(HEAD.unsubscribe, u16(id), version === 5 ? properties() : [], ...filters.map(prefixed));
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP. In MQTT 5 without a code, it is left out, which means success. */
export function acknowledgement(
  kind: "puback" | "pubrec" | "pubrel" | "pubcomp",
  id: number,
  code?: number,
  props?: Properties,
): Uint8Array {
  const more = props === undefined ? [] : properties(props);
  return packet(HEAD[kind], u16(id), code === undefined ? [] : [code], more);
}

export function disconnectPacket(code?: number, props?: Properties): Uint8Array {
  return packet(HEAD.disconnect, code === undefined ? [] : [code], props === undefined ? [] : properties(props));
}

export function authPacket(code: number, props: Properties): Uint8Array {
  return packet(HEAD.auth, [code], properties(props));
}
