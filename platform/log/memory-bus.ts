import { type Bus, NoAnswerError } from "./port.ts";
import { subjectMatches } from "./subject-match.ts";

const REQUEST_TIMEOUT_MS = 5_000;

interface Listener {
  readonly pattern: string;
  readonly onValue: (value: unknown, subject: string) => void;
}

interface Responder {
  readonly subject: string;
  readonly answer: (value: unknown) => Promise<unknown>;
}

export function createMemoryBus(): Bus {
  const listeners = new Set<Listener>();
  const responders = new Set<Responder>();
  return {
    publish(subject, value) {
      const text = toJson(value);
      for (const listener of listeners) {
        if (!subjectMatches(listener.pattern, subject)) continue;
        // Later, as from a network: a publisher never runs its listeners' code.
        queueMicrotask(() => {
          if (listeners.has(listener)) listener.onValue(JSON.parse(text), subject);
        });
      }
    },
    subscribe(pattern, onValue) {
      const listener = { pattern, onValue };
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async request(subject, value, options) {
      const text = toJson(value);
      const responder = [...responders].find((each) => each.subject === subject);
      if (responder === undefined) throw new NoAnswerError(`nobody answers on ${subject}`);
      const timeoutMs = options?.timeoutMs ?? REQUEST_TIMEOUT_MS;
      const answer = responder.answer(JSON.parse(text));
      return JSON.parse(toJson(await inTime(answer, timeoutMs, `no answer on ${subject} within ${timeoutMs} ms`)));
    },
    respond(subject, answer) {
      const responder = { subject, answer };
      responders.add(responder);
      return () => responders.delete(responder);
    },
  };
}

function toJson(value: unknown): string {
  return JSON.stringify(value ?? null);
}

async function inTime<T>(promise: Promise<T>, timeoutMs: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoAnswerError(message)), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
