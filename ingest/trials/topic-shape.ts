/** Levels of topics that name a kind of message, not a device. */
const KIND_WORDS = new Set([
  ...["telemetry", "data", "state", "status", "stats", "sensor", "sensors", "value", "values", "info", "event"],
  ...["events", "up", "uplink", "report", "measurement", "measurements", "reading", "readings", "json", "payload"],
  ...["attributes", "message", "messages", "update", "accepted", "shadow", "get", "push", "rx", "tx", "system"],
  ...["availability", "lwt"],
  ...["input", "output", "binary_sensor", "switch", "text_sensor", "number", "climate", "default", "production"],
]);
/** The level after one of these names a device. */
const BEFORE_DEVICE = new Set(["device", "devices", "thing", "things", "node", "nodes", "client", "clients"]);
/** A part of a device. */
const PART = /^(?:ch|channel|phase|relay|in|out)?_?\d{1,2}$/i;
/** After the metric of a bare value. */
const AFTER_METRIC = new Set(["state", "value", "status"]);

export interface TopicNeeds {
  /** The payload is a bare value: the topic names its metric. */
  readonly isValue: boolean;
  /** The payload says the device. */
  readonly namesDevice: boolean;
}

/** Whether a level is the name of a kind of message. */
export function isKindWord(level: string): boolean {
  return KIND_WORDS.has(level.toLowerCase()) || level.startsWith("$.");
}

/**
 * A pattern that matches all these topics. Levels that differ are captured, and one of them is the device; topics of
 * several lengths have a capture of several levels at their end.
 */
export function patternOf(topics: readonly (readonly string[])[], needs: TopicNeeds): string {
  const lengths = new Set(topics.map(({ length }) => length));
  return lengths.size > 1 ? openPattern(topics, needs) : fixedPattern(topics, needs);
}

function openPattern(topics: readonly (readonly string[])[], { isValue, namesDevice }: TopicNeeds): string {
  const [first = []] = topics;
  const shortest = Math.min(...topics.map(({ length }) => length));
  let common = 0;
  while (common < shortest - 1 && topics.every((levels) => levels[common] === first[common])) common++;
  if (namesDevice) return [...first.slice(0, common), "#"].join("/");
  if (!isValue) return [...first.slice(0, common), "{device...}"].join("/");
  // What all have in common ends with the device, unless it is the first level alone.
  const deviceAt = common >= 2 ? common - 1 : common;
  return [...first.slice(0, deviceAt), "{device}", "{metric...}"].join("/");
}

function fixedPattern(topics: readonly (readonly string[])[], { isValue, namesDevice }: TopicNeeds): string {
  const [first = []] = topics;
  const isFixed = first.map((level, i) => topics.every((levels) => levels[i] === level));
  const names: (string | undefined)[] = first.map(() => undefined);
  let end = first.length;
  if (isValue) {
    const last = end - 1;
    const isAfter = end > 2 && isFixed[last] === true && AFTER_METRIC.has(first[last] ?? "");
    end = isAfter ? last - 1 : last;
    names[end] = "metric";
  }
  if (!namesDevice) names[deviceLevel(first, isFixed, end)] ??= "device";
  return first
    .map((level, i) => {
      const name = names[i];
      if (name !== undefined) return `{${name}}`;
      if (isFixed[i]) return PLAIN.test(level) ? level : "+";
      return `{level${i + 1}}`;
    })
    .join("/");
}

/** A level that a pattern can have as it is. */
const PLAIN = /^[^{}+#]*$/;

/** `end`: the level after the last one that can be it. */
function deviceLevel(first: readonly string[], isFixed: readonly boolean[], end: number): number {
  const levels = first.slice(0, end);
  const after = levels.findIndex((_, i) => i > 0 && BEFORE_DEVICE.has((levels[i - 1] ?? "").toLowerCase()));
  if (after >= 0) return after;
  const possible = levels.map((level, i) => ({ level, i })).filter(({ level }) => level !== "" && !isKindWord(level));
  const whole = possible.filter(({ level }) => !PART.test(level));
  const varying = whole.filter(({ i }) => !isFixed[i]).at(-1);
  // Before the parts of a device, as emeter/0: the first level after the family's own.
  const fixed = whole.filter(({ i }) => i > 0).at(whole.length < possible.length ? 0 : -1);
  return (varying ?? fixed ?? whole.at(-1) ?? possible.at(-1))?.i ?? Math.max(0, end - 1);
}
