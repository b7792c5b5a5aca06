import { type Msg, NoRespondersError, RequestError, TimeoutError } from "@nats-io/transport-node";
import { reasonOf } from "../../domain/reason.ts";
import type { Connection } from "./jetstream-connection.ts";
import { type Bus, NoAnswerError } from "./port.ts";

const PREFIX = "weir.";
const QUEUE = "weir";
const REQUEST_TIMEOUT_MS = 5_000;
const encoder = new TextEncoder();

type Answer = { readonly value: unknown } | { readonly error: string };

/** Core NATS: at most once. Values that come while the connection is down are dropped. */
export function createNatsBus(connection: Connection): Bus {
  const { nc, logger } = connection;

  async function reply(message: Msg, answer: (value: unknown) => Promise<unknown>): Promise<void> {
    const text = await answerText(message, answer);
    const bytes = encoder.encode(text);
    const max = nc.info?.max_payload ?? 0;
    const tooLarge: Answer = { error: `the answer has ${bytes.length} bytes, at most ${max}` };
    if (connection.isUp()) message.respond(bytes.length > max ? JSON.stringify(tooLarge) : bytes);
  }

  return {
    publish(subject, value) {
      if (connection.isUp()) nc.publish(PREFIX + subject, JSON.stringify(value ?? null));
    },
    subscribe(subject, onValue) {
      const subscription = nc.subscribe(PREFIX + subject, {
        callback: (error, message) => {
          if (error !== null) return;
          try {
            onValue(message.json(), message.subject.slice(PREFIX.length));
          } catch (err) {
            logger.error({ err, subject: message.subject }, "a listener on the bus failed");
          }
        },
      });
      return () => subscription.unsubscribe();
    },
    async request(subject, value, options) {
      const timeout = options?.timeoutMs ?? REQUEST_TIMEOUT_MS;
      const answer = await ask(subject, JSON.stringify(value ?? null), timeout);
      if ("error" in answer) throw new Error(answer.error);
      return answer.value;
    },
    respond(subject, answer) {
      // One of several gateways answers.
      const subscription = nc.subscribe(PREFIX + subject, {
        queue: QUEUE,
        callback: (error, message) => {
          if (error === null) void reply(message, answer);
        },
      });
      return () => subscription.unsubscribe();
    },
  };

  async function ask(subject: string, text: string, timeout: number): Promise<Answer> {
    try {
      return (await nc.request(PREFIX + subject, text, { timeout })).json<Answer>();
    } catch (error) {
      if (error instanceof TimeoutError || error instanceof NoRespondersError || error instanceof RequestError) {
        throw new NoAnswerError(`no answer on ${subject} within ${timeout} ms`, { cause: error });
      }
      throw error;
    }
  }
}

async function answerText(message: Msg, answer: (value: unknown) => Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify({ value: (await answer(message.json())) ?? null } satisfies Answer);
  } catch (error) {
    return JSON.stringify({ error: reasonOf(error) } satisfies Answer);
  }
}
