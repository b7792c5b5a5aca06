const DOLLAR = 36;
const SLASH = 47;

/**
 * Why a topic is never valid for a publish. MQTT allows control characters other than U+0000: the gate decides about
 * them. U+FFFD is the result of decoding invalid UTF-8, which must close the connection.
 */
export function topicFault(topic: string, levelsMax: number): "bad-topic" | "system-topic" | undefined {
  if (topic.length === 0) return "bad-topic";
  let levels = 1;
  for (let i = 0; i < topic.length; i++) {
    const code = topic.charCodeAt(i);
    if (code === SLASH) levels++;
    else if (code === 0 || code === 0xfffd || code === 0x23 || code === 0x2b) return "bad-topic";
  }
  if (levels > levelsMax) return "bad-topic";
  return topic.charCodeAt(0) === DOLLAR ? "system-topic" : undefined;
}

const BRIDGE_STATE = /^\$SYS\/broker\/connection\/[^/]+\/state$/;

/** Where a bridge of mosquitto says whether it is connected. The one `$` topic that a client may publish to. */
export function isBridgeState(topic: string): boolean {
  return topic.charCodeAt(0) === DOLLAR && BRIDGE_STATE.test(topic);
}

/** Why a topic filter is invalid: MQTT 3.1.1, section 4.7.1. */
export function filterFault(filter: string): "bad-topic" | undefined {
  const levels = filter.split("/");
  for (const [index, level] of levels.entries()) {
    if (level.includes("#") && (level !== "#" || index !== levels.length - 1)) return "bad-topic";
    if (level.includes("+") && level !== "+") return "bad-topic";
    if (level.includes("\u0000") || level.includes("\ufffd")) return "bad-topic";
  }
  return filter.length === 0 ? "bad-topic" : undefined;
}
