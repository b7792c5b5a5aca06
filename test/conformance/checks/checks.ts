import type { Check } from "../scene/check.ts";
import { CONNECT_CHECKS } from "./connect.ts";
import { FLOW_CHECKS } from "./flow.ts";
import { MALFORMED_CHECKS } from "./malformed.ts";
import { PROPERTY_CHECKS } from "./properties.ts";
import { QOS_CHECKS } from "./qos.ts";
import { RETAINED_CHECKS } from "./retained.ts";
import { SESSION_CHECKS } from "./sessions.ts";
import { SUBSCRIPTION_CHECKS } from "./subscriptions.ts";
import { TOPIC_CHECKS } from "./topics.ts";
import { WEB_SOCKET_CHECKS } from "./web-socket.ts";
import { WILL_CHECKS } from "./wills.ts";

/** Every check; each is short, and they run side by side. */
export const CHECKS: readonly Check[] = [
  ...CONNECT_CHECKS,
  ...SESSION_CHECKS,
  ...WILL_CHECKS,
  ...MALFORMED_CHECKS,
  ...QOS_CHECKS,
  ...RETAINED_CHECKS,
  ...SUBSCRIPTION_CHECKS,
  ...TOPIC_CHECKS,
  ...PROPERTY_CHECKS,
  ...FLOW_CHECKS,
  ...WEB_SOCKET_CHECKS,
];
