/** What is killed: brokers that clients connect to, and the log behind them. */
export interface Cluster {
  readonly edges: readonly Victim[];
  /** Left out: the brokers need none. */
  readonly log: Victim | undefined;
  /** What ended without being killed or asked to. */
  failures(): readonly string[];
  /** For reports: the end of what each process wrote. */
  said(): string;
  stop(): Promise<void>;
}

export interface Victim {
  readonly name: string;
  /** Of an edge: where clients connect. The same after each start. */
  readonly port: number;
  readonly isAlive: boolean;
  /** Begins to start it; does not wait until it is ready. */
  start(): void;
  /** SIGKILL. Resolves when it has ended. */
  kill(): Promise<void>;
  /** SIGTERM. Resolves when it has ended; says how, if not cleanly. */
  terminate(): Promise<string | undefined>;
}
