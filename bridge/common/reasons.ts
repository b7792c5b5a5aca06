import { reasonOf } from "../../domain/reason.ts";

/** Why there is no connection, in words, with what to do about it. */
export interface Failure {
  /** A short name for metrics. */
  readonly kind: FailureKind;
  readonly text: string;
  /** The broker does not speak the version of the CONNECT, or hung up on it without a word. */
  readonly otherVersion?: true;
}

export type FailureKind =
  | "dns"
  | "port-closed"
  | "network"
  | "tls"
  | "not-mqtt"
  | "version"
  | "login"
  | "client-id"
  | "refused"
  | "taken-over"
  | "silent"
  | "closed"
  | "gateway"
  | "configuration";

type Told = readonly [kind: FailureKind, text: string];

/** MQTT 3.1.1, table 3.1. */
const RETURN_CODES: Readonly<Record<number, Told>> = {
  1: ["version", "it does not speak this version of MQTT; set `version`"],
  2: ["client-id", "it does not accept the client id; set `client_id` to one that it allows"],
  3: ["refused", "its MQTT service is not available now"],
  4: ["login", "wrong user name or password; check `username` and `password_env` or `password_file`"],
  5: [
    "login",
    "not authorized: the user may not connect, or not with this client id; check `username`, and its rights there",
  ],
};

/** MQTT 5, section 2.4: reasons of CONNACK and DISCONNECT. */
const REASON_CODES: Readonly<Record<number, Told>> = {
  128: ["refused", "it does not say why"],
  129: ["not-mqtt", "it could not read what Weir sent"],
  130: ["not-mqtt", "it says that Weir broke the protocol"],
  131: ["refused", "a reason of its own"],
  132: ["version", "it does not speak MQTT 5; set `version: 3.1.1`"],
  133: ["client-id", "it does not accept the client id; set `client_id` to one that it allows"],
  134: ["login", "wrong user name or password; check `username` and `password_env` or `password_file`"],
  135: [
    "login",
    "not authorized: the user may not connect, or not with this client id; check `username`, and its rights there",
  ],
  136: ["refused", "its server is not available"],
  137: ["refused", "its server is busy"],
  138: ["refused", "it has banned this client"],
  139: ["closed", "its server is shutting down"],
  140: ["login", "it wants another way of authentication, which Weir does not have"],
  141: ["silent", "it heard nothing from Weir for too long"],
  142: ["taken-over", "another client connected with the same client id: give each gateway a `client_id` of its own"],
  143: ["refused", "it does not accept a topic filter of `in`"],
  144: ["refused", "it does not accept a topic of `out`"],
  147: ["refused", "it got more messages at once than it allows"],
  149: ["refused", "a packet was larger than it allows"],
  150: ["refused", "it got messages faster than it allows"],
  151: ["refused", "a quota there is used up"],
  152: ["closed", "an administrator ended the connection"],
  153: ["refused", "a payload is not what it expects"],
  154: ["refused", "it has no retained messages; set `retain: never` in `out`"],
  155: ["refused", "it does not support the quality of service; lower `qos`"],
  156: ["refused", "it is not the right server at the moment"],
  157: ["refused", "its server has moved; change `url`"],
  158: ["refused", "it has no shared subscriptions; leave `share` out"],
  159: ["refused", "too many connections in a short time"],
  160: ["closed", "it allows a connection for a limited time only"],
  161: ["refused", "it has no subscription identifiers"],
  162: ["refused", "it allows no wildcards in `in`"],
};

/** Of a refused CONNECT. `said` is the broker's own text, from MQTT 5. */
export function refusedFailure(version: 4 | 5, code: number, said: string | undefined): Failure {
  const isOtherVersion = version === 5 ? code === 1 || code === 132 : code === 1;
  const told = (version === 4 || code === 1 ? RETURN_CODES : REASON_CODES)[code];
  const [kind, text]: Told = told ?? ["refused", "for a reason that MQTT does not define"];
  return {
    kind,
    text: `the broker refuses the connection: ${text} (${codeText(version, code)}${saidText(said)})`,
    ...(isOtherVersion ? { otherVersion: true } : {}),
  };
}

/** Of a DISCONNECT that the broker sent. */
export function disconnectFailure(code: number, said: string | undefined): Failure {
  const [kind, text]: Told = REASON_CODES[code] ?? ["closed", "it does not say why"];
  return { kind, text: `the broker ended the connection: ${text} (${codeText(5, code)}${saidText(said)})` };
}

/** Of a message that the broker refused with PUBACK. */
export function publishRefusal(code: number, said: string | undefined): string {
  const text: Readonly<Record<number, string>> = {
    128: "it does not say why",
    131: "a reason of its own",
    135: "the user may not publish to this topic; check its rights there",
    144: "it does not accept the topic",
    149: "the message is larger than it allows",
    151: "a quota there is used up",
    153: "it does not accept the payload",
  };
  return `${text[code] ?? "for another reason"} (${codeText(5, code)}${saidText(said)})`;
}

/** Of a subscription that was refused. */
export function subscribeRefusal(version: 4 | 5, code: number): string {
  const text: Readonly<Record<number, string>> = {
    128: "the user may not subscribe to it, or the broker does not say why",
    131: "for a reason of the broker's own",
    135: "the user may not subscribe to it; check its rights there",
    143: "the broker does not accept this filter",
    151: "a quota there is used up",
    158: "the broker has no shared subscriptions; leave `share` out",
    162: "the broker allows no wildcards",
  };
  return `${text[code] ?? "for another reason"} (${codeText(version, code)})`;
}

const TLS_FIX = "`tls.ca_file`";
const CODES: Readonly<Record<string, (host: string, port: number) => Told>> = {
  ENOTFOUND: (host) => ["dns", `no such host: ${host} is not known to DNS; check \`url\``],
  EAI_AGAIN: (host) => ["dns", `the name ${host} cannot be looked up now: DNS does not answer`],
  ECONNREFUSED: (host, port) => [
    "port-closed",
    `nothing listens on ${host}:${port}; check the port in \`url\`, and that the broker runs`,
  ],
  ETIMEDOUT: (host, port) => ["network", `no answer from ${host}:${port}; a firewall may be between`],
  EHOSTUNREACH: (host) => ["network", `no way to ${host}; check the network`],
  ENETUNREACH: (host) => ["network", `no network to ${host}`],
  ECONNRESET: (host, port) => ["closed", `${host}:${port} reset the connection`],
  EPIPE: (host, port) => ["closed", `${host}:${port} closed the connection`],
  CERT_HAS_EXPIRED: () => ["tls", "its certificate has expired; the broker needs a new one"],
  CERT_NOT_YET_VALID: () => ["tls", "its certificate is not valid yet; check the clocks of both machines"],
  ERR_TLS_CERT_ALTNAME_INVALID: (host) => [
    "tls",
    `its certificate is for another host than ${host}; use the name in the certificate in \`url\`, or set \`tls.server_name\``,
  ],
  DEPTH_ZERO_SELF_SIGNED_CERT: () => ["tls", `its certificate is signed by itself; name its file in ${TLS_FIX}`],
  SELF_SIGNED_CERT_IN_CHAIN: () => [
    "tls",
    `an authority that is not known here signed its certificate; name the authority's file in ${TLS_FIX}`,
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: () => [
    "tls",
    `an authority that is not known here signed its certificate; name the authority's file in ${TLS_FIX}`,
  ],
  UNABLE_TO_GET_ISSUER_CERT: () => [
    "tls",
    `an authority that is not known here signed its certificate; name the authority's file in ${TLS_FIX}`,
  ],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: () => [
    "tls",
    `an authority that is not known here signed its certificate; name the authority's file in ${TLS_FIX}`,
  ],
  CERT_SIGNATURE_FAILURE: () => ["tls", `its certificate is not signed by the authority in ${TLS_FIX}`],
  ERR_SSL_WRONG_VERSION_NUMBER: () => [
    "tls",
    "it does not speak TLS on this port; use mqtt:// or another port in `url`",
  ],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: () => [
    "tls",
    "it does not speak TLS on this port; use mqtt:// or another port in `url`",
  ],
};

/** TLS alerts by which a server refuses the client's certificate. */
const CLIENT_CERTIFICATE =
  /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_(UNKNOWN|EXPIRED|REVOKED)|HANDSHAKE_FAILURE)/;

/** Of an error of the socket, or of TLS. */
export function networkFailure(error: unknown, url: string): Failure {
  const { hostname, port } = hostOf(url);
  const code = codeOf(error);
  const told = CODES[code]?.(hostname, port);
  if (told !== undefined) return { kind: told[0], text: `${told[1]} (${code})` };
  if (CLIENT_CERTIFICATE.test(code)) {
    const text = `it does not accept Weir's certificate, or wants one: check \`tls.cert_file\` and \`tls.key_file\` (${code})`;
    return { kind: "tls", text };
  }
  if (code.startsWith("ERR_SSL") || code.startsWith("ERR_TLS") || code.startsWith("ERR_OSSL")) {
    return { kind: "tls", text: `TLS failed: ${reasonOf(error)}` };
  }
  const status = /Unexpected server response: (\d+)/.exec(reasonOf(error))?.[1];
  if (status !== undefined) {
    const text = `it answers HTTP ${status} instead of a WebSocket; check the path in \`url\`, which is often /mqtt`;
    return { kind: "not-mqtt", text };
  }
  return { kind: "network", text: reasonOf(error) };
}

const PORTS: Readonly<Record<string, number>> = { "mqtt:": 1883, "mqtts:": 8883, "ws:": 80, "wss:": 443 };

export function hostOf(address: string): { readonly hostname: string; readonly port: number } {
  const url = new URL(address);
  return { hostname: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port) || (PORTS[url.protocol] ?? 0) };
}

/** Where a host has several addresses, Node gives one error that holds an error for each. */
function codeOf(error: unknown): string {
  const { code, errors } = error as { readonly code?: unknown; readonly errors?: readonly unknown[] };
  if (typeof code === "string") return code;
  return errors?.[0] === undefined ? "" : codeOf(errors[0]);
}

function codeText(version: 4 | 5, code: number): string {
  return version === 5 ? `reason code 0x${code.toString(16).padStart(2, "0")}` : `return code ${code}`;
}

const SAID_CHARACTERS_MAX = 200;

function saidText(said: string | undefined): string {
  if (!said) return "";
  return `, "${said.slice(0, SAID_CHARACTERS_MAX).replace(/\p{Cc}/gu, " ")}"`;
}
