import { STREAMS, type StreamName } from "../../domain/subjects.ts";

const STREAM_OF_FIRST_WORD = new Map<string, StreamName>(STREAMS.map((name) => [name.toLowerCase(), name]));
const FORBIDDEN = /[\s*>\p{Cc}]|^\.|\.\.|\.$/u;

/** The stream that holds a subject. Throws if no stream holds it, or if it has wildcards or forbidden characters. */
export function streamOf(subject: string): StreamName {
  const dot = subject.indexOf(".");
  const stream = dot > 0 ? STREAM_OF_FIRST_WORD.get(subject.slice(0, dot)) : undefined;
  if (stream === undefined || FORBIDDEN.test(subject))
    throw new Error(`no stream holds subject ${JSON.stringify(subject)}`);
  return stream;
}

/** All subjects of a stream. */
export function subjectsOf(stream: StreamName): string {
  return `${stream.toLowerCase()}.>`;
}

/** NATS' rules: `*` is one word, a trailing `>` one word or more. */
export function subjectMatches(pattern: string, subject: string): boolean {
  if (pattern === subject) return true;
  const wanted = pattern.split(".");
  const words = subject.split(".");
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === ">") return words.length > i;
    if (i >= words.length || (wanted[i] !== "*" && wanted[i] !== words[i])) return false;
  }
  return wanted.length === words.length;
}

/** Whether any of the patterns matches; without patterns, every subject does. */
export function anyMatches(patterns: readonly string[] | undefined, subject: string): boolean {
  return patterns === undefined || patterns.some((pattern) => subjectMatches(pattern, subject));
}
