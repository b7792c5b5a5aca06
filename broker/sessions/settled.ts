/**
 * A promise for Aedes' hot path (`.then(done, failed)` only) that settles at once. A real one would cost an
 * allocation and a turn of the microtask queue for each step of each message.
 */
export interface Settled<Value> {
  then(done: (value: Value) => void, failed?: (error: Error) => void): void;
}

export function settledWith<Value>(value: Value): Settled<Value> {
  // biome-ignore lint/suspicious/noThenProperty: it must be a thenable.
  return { then: (done) => done(value) };
}

export function failedWith(error: Error): Settled<never> {
  // biome-ignore lint/suspicious/noThenProperty: it must be a thenable.
  return { then: (_done, failed) => failed?.(error) };
}
