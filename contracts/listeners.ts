import { z } from "zod";
import { type Plain, question } from "./question.ts";
import { nothingSchema } from "./values.ts";

export const listenersSchema = z.object({
  bind: z.string().describe("The address that the broker listens on: `0.0.0.0` and `::` are all of the machine."),
  listeners: z.array(z.object({ protocol: z.enum(["mqtt", "mqtts", "ws"]), port: z.int().min(1).max(65_535) })),
  users: z.boolean().describe("Clients must send a user name and a password."),
  topics: z.array(z.string()).describe("The topics whose messages become readings, as in `sources`."),
  example: z
    .object({ topic: z.string(), payload: z.string() })
    .optional()
    .describe("A message that becomes a reading; left out if every source has a format of its own."),
});
export type BrokerListeners = Plain<z.infer<typeof listenersSchema>>;

/** Where devices send their messages, and what an accepted message looks like; the edge answers. */
export const LISTENERS = question("broker.listeners", { ask: nothingSchema, answer: listenersSchema });
