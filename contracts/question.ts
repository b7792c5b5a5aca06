import type { z } from "zod";

/**
 * What services ask each other and publish over the bus. Each question and report is declared once, with its schemas.
 * The bus (`platform/log/bus.ts`) checks both ways, so neither side casts what it receives.
 *
 * Versions meet on the bus during an upgrade. So `ask` schemas are strict objects: an older service refuses a question
 * that it would understand only in part. `answer` and report schemas are plain objects, which drop fields that a newer
 * service adds.
 */
export interface Question<Ask, Asked, Answer> {
  readonly subject: string;
  /** From the sent form (`Ask`) to the received form, with defaults filled in (`Asked`). */
  readonly ask: z.ZodType<Asked, Ask>;
  readonly answer: z.ZodType<Answer>;
}

// The overloads only make the types readonly.
export function question<AskSchema extends z.ZodType, AnswerSchema extends z.ZodType>(
  subject: string,
  schemas: { readonly ask: AskSchema; readonly answer: AnswerSchema },
): Question<Plain<z.input<AskSchema>>, Plain<z.output<AskSchema>>, Plain<z.output<AnswerSchema>>>;
export function question(
  subject: string,
  schemas: { readonly ask: z.ZodType; readonly answer: z.ZodType },
): Question<unknown, unknown, unknown> {
  return { subject, ...schemas };
}

/** Figures that services publish unasked; some may be lost. */
export interface Report<Value> {
  /** Of a keyed report: the first words. It is published on `<subject>.<key>`, for example `health.edge-1`. */
  readonly subject: string;
  readonly keyed: boolean;
  readonly schema: z.ZodType<Value>;
}

export function report<Schema extends z.ZodType>(subject: string, schema: Schema): Report<Plain<z.output<Schema>>>;
export function report(subject: string, schema: z.ZodType): Report<unknown> {
  return { subject, keyed: false, schema };
}

export function keyedReport<Schema extends z.ZodType>(subject: string, schema: Schema): Report<Plain<z.output<Schema>>>;
export function keyedReport(subject: string, schema: z.ZodType): Report<unknown> {
  return { subject, keyed: true, schema };
}

/** What the answerer of a question receives. */
export type Asked<Of> = Of extends Question<infer _Ask, infer Arrived, infer _Answer> ? Arrived : never;

/** A schema's value as data: readonly all the way down. */
export type Plain<T> = T extends readonly (infer Item)[]
  ? readonly Plain<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Plain<T[Key]> }
    : T;
