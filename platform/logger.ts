import pino, { type Logger } from "pino";
import pretty from "pino-pretty";

export interface LoggerOptions {
  readonly level: string;
  /** For people at a terminal; otherwise one JSON object a line. */
  readonly pretty: boolean;
  /** Names the part of the gateway that writes. */
  readonly name: string;
}

/** Writes to standard error, which keeps standard output for results. */
export function createLogger({ level, pretty: forPeople, name }: LoggerOptions): Logger {
  const options = { level, name, base: {}, timestamp: pino.stdTimeFunctions.isoTime };
  if (!forPeople) return pino(options, pino.destination({ dest: 2, sync: true }));
  return pino(options, pretty({ destination: 2, sync: true, translateTime: "HH:MM:ss", ignore: "pid,hostname" }));
}
