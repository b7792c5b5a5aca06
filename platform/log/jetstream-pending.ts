import { headers, type Msg, type MsgHdrs, nuid } from "@nats-io/transport-node";
import { type Append, type Appended, TooLargeError } from "./port.ts";

const ID_BYTES_MAX = 900;
export const WRONG_LAST_SEQUENCE: ReadonlySet<number> = new Set([10071, 10164]);
export const MESSAGE_TOO_LARGE = 10054;

/** An append in flight. */
export interface Pending {
  readonly token: number;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: MsgHdrs;
  readonly id: string;
  readonly expected: number | undefined;
  attempts: number;
  /** When the server may first have received it, and the newest known sequence of its stream at that time. */
  doubtedFromMs: number;
  after: number;
  sentAtMs: number;
  inFlight: boolean;
  resolve(appended: Appended): void;
  reject(error: Error): void;
}

/** JetStream's answer to a publish. */
export interface Ack {
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly err_code?: number; readonly code?: number; readonly description?: string };
}

/** An append before it is sent. Throws `TooLargeError` when its id does not fit a header. */
export function newPending(
  token: number,
  message: Append,
  resolve: (appended: Appended) => void,
  reject: (error: Error) => void,
): Pending {
  const id = message.id === undefined ? nuid.next() : headerText(message.id);
  if (id.length > ID_BYTES_MAX)
    throw new TooLargeError(
      `the id of a message for ${message.subject} is too large: ${id.length} bytes, at most ${ID_BYTES_MAX}`,
    );
  const set = headers();
  set.append("Nats-Msg-Id", id);
  const expected = message.expectLastSubjectSequence;
  if (expected !== undefined) set.append("Nats-Expected-Last-Subject-Sequence", `${expected}`);
  return {
    token,
    subject: message.subject,
    // A copy: it may be sent again after the caller has reused its buffer.
    payload: new Uint8Array(message.payload),
    headers: set,
    id,
    expected,
    attempts: 0,
    doubtedFromMs: 0,
    after: 0,
    sentAtMs: 0,
    inFlight: false,
    resolve,
    reject,
  };
}

export function parseAck(message: Msg): Ack {
  const status = message.headers;
  if (message.data.length === 0) {
    return { error: { err_code: status?.code ?? 0, description: status?.description || "no JetStream answers" } };
  }
  try {
    return message.json<Ack>();
  } catch {
    return { error: { description: `not an acknowledgement: ${message.string().slice(0, 100)}` } };
  }
}

/** Header values are plain ASCII; different ids stay different. */
function headerText(id: string): string {
  return /^[A-Za-z0-9_.:/=+-]*$/.test(id) ? id : encodeURIComponent(id);
}

export function firstWord(subject: string): string {
  return subject.slice(0, subject.indexOf("."));
}
