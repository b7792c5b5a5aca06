import { asError } from "../../domain/reason.ts";
import { type BusTransport, createBus, type RequestOptions } from "./bus.ts";
import { type Bus, NoAnswerError } from "./port.ts";
import { subjectMatches } from "./subject-match.ts";

/** The default of a NATS server. */
const MESSAGE_BYTES_MAX = 1_048_576;

interface Listener {
  readonly pattern: string;
  readonly onBytes: (bytes: Uint8Array, subject: string) => void;
}

interface Responder {
  readonly subject: string;
  readonly answer: (bytes: Uint8Array) => Promise<Uint8Array>;
}

export function createMemoryBus(): Bus {
  const listeners = new Set<Listener>();
  const responders = new Set<Responder>();
  const transport: BusTransport = {
    messageBytesMax: () => MESSAGE_BYTES_MAX,
    publish(subject, bytes) {
      for (const listener of listeners) {
        if (!subjectMatches(listener.pattern, subject)) continue;
        // Later, as over a network: a publisher never runs its listeners' code.
        queueMicrotask(() => {
          if (listeners.has(listener)) listener.onBytes(bytes, subject);
        });
      }
    },
    subscribe(pattern, onBytes) {
      const listener = { pattern, onBytes };
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async request(subject, bytes, options) {
      const responder = [...responders].find((each) => each.subject === subject);
      if (responder === undefined) throw new NoAnswerError(`no service answers on ${subject}`);
      return await inTime(responder.answer(bytes), subject, options);
    },
    respond(subject, answer) {
      const responder = { subject, answer };
      responders.add(responder);
      return () => responders.delete(responder);
    },
    onDropped: () => {},
  };
  return createBus(transport);
}

async function inTime<T>(answer: Promise<T>, subject: string, { timeoutMs, signal }: RequestOptions): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let abort = () => {};
  const given = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoAnswerError(`no answer on ${subject} within ${timeoutMs} ms`)), timeoutMs);
    abort = () => reject(asError(signal?.reason));
    signal?.addEventListener("abort", abort);
  });
  try {
    return await Promise.race([answer, given]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
