import pino, { type Logger } from "pino";
import pretty from "pino-pretty";

export interface LoggerOptions {
  readonly level: string;
  /** For people at a terminal; else one JSON object a line. */
  readonly pretty: boolean;
  /** Says which part of the gateway speaks. */
  readonly name: string;
}

/** Writes to standard error, which leaves standard output to results. */
export function createLogger({ level, pretty: forPeople, name }: LoggerOptions): Logger {
  const options = { level, name, base: {}, timestamp: pino.stdTimeFunctions.isoTime };
  if (!forPeople) return pino(options, pino.destination({ dest: 2, sync: true }));
  return pino(options, pretty({ destination: 2, sync: true, translateTime: "HH:MM:ss", ignore: "pid,hostname" }));
}
