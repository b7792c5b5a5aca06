/** Where things stand on the log. A stream holds all subjects below its first word. */
export const STREAMS = ["READINGS", "WINDOWS", "ALERTS", "DEADLETTERS"] as const;
export type StreamName = (typeof STREAMS)[number];

export function readingsSubject(partition: number): string {
  return `readings.${partition}`;
}

export function windowsSubject(partition: number): string {
  return `windows.${partition}`;
}

export function alertSubject(rule: string, keyHash: string): string {
  return `alerts.${subjectToken(rule)}.${keyHash}`;
}

export function deadLetterSubject(reason: string): string {
  return `deadletters.${subjectToken(reason)}`;
}

/** The partition number at the end of `readings.<p>` or `windows.<p>`. */
export function partitionOfSubject(subject: string): number {
  return Number(subject.slice(subject.indexOf(".") + 1));
}

/** Escapes what NATS gives a meaning (`.`, `*`, `>`, white space, control characters) as %XX. */
export function subjectToken(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]/g, (char) => {
    let escaped = "";
    for (const byte of new TextEncoder().encode(char)) escaped += `%${byte.toString(16).padStart(2, "0")}`;
    return escaped;
  });
}
