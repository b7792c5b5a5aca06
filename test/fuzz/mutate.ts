import type { Message } from "../devices/family.ts";
import type { Random } from "../simulation/random.ts";

/** What parsers stumble over. */
const MORSELS: readonly string[] = [
  ...[
    "nan",
    "-inf",
    "NULL",
    "None",
    "true",
    '"',
    "'",
    "\\",
    "\\u12",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    ",,",
    "\0",
    "\n",
    "\r\n",
  ],
  ...["1e999", "-1e-999", "9007199254740993", "-99999999999999999999", "0x10", "1,5", "1.234,5 kWh", "45%", "٣"],
  ...[
    "__proto__",
    "constructor",
    "toString",
    "\ufeff",
    "\ufffd",
    "é",
    "😀",
    "0001-01-01T00:00:00Z",
    "2025-10-26T02:30:00",
  ],
  ...[
    "[".repeat(300),
    '{"a":'.repeat(300),
    "1".repeat(5_000),
    "a".repeat(5_000),
    " ".repeat(5_000),
    '""'.repeat(2_000),
  ],
];

/** A message like another, with a few mistakes. */
export function mutate(message: Message, others: readonly Message[], random: Random): Message {
  let payload: Uint8Array = message.payload;
  for (let i = random.whole(1, 4); i > 0; i--) payload = mutatedBytes(payload, others, random);
  return { topic: random.chance(0.2) ? mutatedTopic(message.topic, random) : message.topic, payload };
}

function mutatedBytes(bytes: Uint8Array, others: readonly Message[], random: Random): Uint8Array {
  const [a, b] = [random.whole(0, bytes.length), random.whole(0, bytes.length)].sort((one, other) => one - other);
  const [from = 0, until = 0] = [a, b];
  switch (random.whole(0, 6)) {
    case 0: {
      const changed = Buffer.from(bytes);
      if (changed.length > 0) changed[random.whole(0, changed.length - 1)] = random.whole(0, 255);
      return changed;
    }
    case 1:
      return Buffer.concat([bytes.subarray(0, from), bytes.subarray(until)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, until), bytes.subarray(from)]);
    case 3:
      return bytes.subarray(0, until);
    case 4:
      return Buffer.concat([bytes.subarray(0, from), Buffer.from(random.pick(MORSELS)), bytes.subarray(from)]);
    case 5:
      return Buffer.concat([bytes.subarray(0, from), Buffer.from(random.pick(MORSELS)), bytes.subarray(until)]);
    default:
      return Buffer.from(random.pick(others).payload);
  }
}

function mutatedTopic(topic: string, random: Random): string {
  const levels = topic.split("/");
  const at = random.whole(0, levels.length - 1);
  const level = random.pick(["", "$x", "a".repeat(300), "é", "1", "set", levels[at] ?? ""]);
  if (random.chance(0.3)) levels.splice(at, 1);
  else levels.splice(at, random.whole(0, 1), level);
  return levels.join("/");
}
