/** The topics of the run. Each topic has one publisher and one QoS; numbers of its messages count from 1. */

/** QoS 1. Readings with a time of their own. */
export const QOS_1 = "kills/q1/";
/** QoS 2. Readings that get the time of receipt. */
export const QOS_2 = "kills/q2/";
/** QoS 1, retained: `kills/state/<publisher>/<slot>`. */
export const STATES = "kills/state/";
export const WILLS = "kills/wills/";

export const STATE_FILTER = `${STATES}+/+`;

/** Of the edge: tags name the topic. States are no readings, since a deletion has no payload. */
export const SOURCES = [{ topic: "kills/{kind}/{device}", format: "json" }] as const;
