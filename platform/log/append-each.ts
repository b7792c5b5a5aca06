import type { StreamName } from "../../domain/subjects.ts";
import type { Append, Appended } from "./port.ts";

/**
 * Appends messages one by one, several at a time. Where a subject has an expected sequence, each of its messages
 * waits for the one before it. After a failure some may be stored.
 */
export async function appendEach(
  append: (message: Append) => Promise<Appended>,
  messages: readonly Append[],
): Promise<readonly Appended[]> {
  const chains = new Map<string, Promise<Appended>>();
  const appended = messages.map((message) => {
    const before = chains.get(message.subject);
    const appending =
      before === undefined
        ? append(message)
        : before.then(({ sequence }) => append({ ...message, expectLastSubjectSequence: sequence }));
    if (before !== undefined || message.expectLastSubjectSequence !== undefined) chains.set(message.subject, appending);
    return appending;
  });
  return await Promise.all(appended);
}

/**
 * The stream of messages that are appended together; undefined without messages. A server stores a batch in one stream.
 * @throws RangeError if they belong to several
 */
export function onlyOne(streams: readonly StreamName[]): StreamName | undefined {
  const [first] = streams;
  const other = streams.find((stream) => stream !== first);
  if (other !== undefined) throw new RangeError(`messages of ${first} and ${other} cannot be appended together`);
  return first;
}
