import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { z } from "zod";

export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
}

const FOLDER = fileURLToPath(new URL("./families/", import.meta.url));

const valueSchema = z.union([z.number(), z.boolean(), z.string()]);

const readingSchema = z.strictObject({
  device: z.string(),
  tags: z.record(z.string(), z.string()).default({}),
  metric: z.string(),
  value: valueSchema,
  /** Left out: the time of receipt. */
  time: z.string().optional(),
});

const caseSchema = z.strictObject({
  /** A sentence. */
  what: z.string(),
  /** As in `weir.yaml`. Left out: the usual sources. */
  sources: z.array(z.unknown()).optional(),
  messages: z
    .array(
      z.strictObject({
        topic: z.string(),
        payload: z.string().optional(),
        /** Bytes that are no text. */
        base64: z.string().optional(),
        hex: z.string().optional(),
      }),
    )
    .min(1),
  readings: z.array(readingSchema),
  /** Reasons and words of the dead letters. */
  letters: z.array(z.strictObject({ reason: z.string(), detail: z.string() })).default([]),
  /** How many readings got their time of receipt, because the clock of their device was wrong. */
  behind: z.int().default(0),
  guessed: z.int().default(0),
});

const familySchema = z.strictObject({
  title: z.string(),
  about: z.string(),
  cases: z.array(caseSchema).min(1),
});

export type FamilyCase = z.output<typeof caseSchema>;

/** Devices that send alike, and what a gateway makes of their messages: a page of docs/devices. */
export interface Family extends z.output<typeof familySchema> {
  readonly name: string;
}

export const FAMILIES: readonly Family[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".yaml"))
  .sort()
  .map((file) => {
    const parsed = familySchema.safeParse(parse(readFileSync(join(FOLDER, file), "utf8")));
    if (!parsed.success) throw new Error(`${file}: ${z.prettifyError(parsed.error)}`);
    return { name: basename(file, ".yaml"), ...parsed.data };
  });

export function messagesOf({ messages }: FamilyCase): Message[] {
  return messages.map(({ topic, payload, base64, hex }) => {
    if (base64 !== undefined) return { topic, payload: Buffer.from(base64, "base64") };
    return { topic, payload: hex === undefined ? Buffer.from(payload ?? "") : Buffer.from(hex, "hex") };
  });
}
