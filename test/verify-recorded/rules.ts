/**
 * The constants of the run's own rules, for the rules and the oracle. They are separate from the samples, which may
 * change.
 */
export const DAILY_RULE = "verify-daily";
export const HAZARD_RULE = "verify-pm25";
export const HAZARD_METRIC = "PM2.5";
export const HAZARD_ABOVE = 250;
export const CLEAR_BELOW = 200;
export const HAZARD_FOR_HOURS = 3;

export const RULES_YAML = `rules:
  - id: ${DAILY_RULE}
    where: { metric: "*" }
    window: { tumbling: 24h }
    aggregate: [count, min, max, avg]

  - id: ${HAZARD_RULE}
    where: { metric: "${HAZARD_METRIC}" }
    window: { tumbling: 1h }
    aggregate: avg
    when: "> ${HAZARD_ABOVE}"
    clear: "< ${CLEAR_BELOW}"
    for: ${HAZARD_FOR_HOURS}h
    severity: critical
`;

/** A rule over several devices: its results depend on the order in which the partitions' readings arrive. */
export const SITE_RULE = "verify-site";

export const GROUPS_YAML = `rules:
  - id: ${SITE_RULE}
    where: { metric: "${HAZARD_METRIC}" }
    group_by: [site]
    window: { tumbling: 6h }
    aggregate: avg
    when: "> ${CLEAR_BELOW}"
    lateness: 12h
`;
