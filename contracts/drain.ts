import { z } from "zod";
import { subjectToken } from "../domain/subjects.ts";
import { type Plain, question } from "./question.ts";
import { countSchema, nothingSchema } from "./values.ts";

const drainedSchema = z.object({
  clients: countSchema.describe("How many clients were connected. None is any more."),
  unfinished: countSchema.describe("Messages that were not acknowledged in time: their clients send them again."),
  others: countSchema.describe("How many other edges of the broker are there to take the clients."),
});
export type DrainedEdge = Plain<z.infer<typeof drainedSchema>>;

/** Asks an edge to hand its clients over; it answers once that is done. */
export function drainOf(edge: string) {
  return question(`broker.drain.${subjectToken(edge)}`, { ask: nothingSchema, answer: drainedSchema });
}
