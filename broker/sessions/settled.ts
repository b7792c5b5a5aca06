/**
 * What Aedes takes for a promise on its hot path (`.then(done, failed)` and nothing else), settled at once: a promise
 * would cost an allocation and a turn of the microtask queue for each step of each message.
 */
export interface Settled<Value> {
  then(done: (value: Value) => void, failed?: (error: Error) => void): void;
}

export function settledWith<Value>(value: Value): Settled<Value> {
  // biome-ignore lint/suspicious/noThenProperty: being a thenable is the purpose.
  return { then: (done) => done(value) };
}

export function failedWith(error: Error): Settled<never> {
  // biome-ignore lint/suspicious/noThenProperty: being a thenable is the purpose.
  return { then: (_done, failed) => failed?.(error) };
}
