/** Small rules for common needs. */
export const RECIPES: readonly { readonly title: string; readonly text: string; readonly yaml: string }[] = [
  {
    title: "Too warm for too long",
    text: "The mean of each minute, for ten minutes in a row. The alert ends half a degree lower, so it does not flap at the limit.",
    yaml: `rules:
  - id: fridge-warm
    where: { metric: temperature, device: "fridge-*" }
    window: { tumbling: 1m }
    aggregate: avg
    when: "> 8"
    clear: "< 7.5"
    for: 10m
    annotations: { summary: "{{ device }} at {{ value }} °C" }
`,
  },
  {
    title: "Warning and critical",
    text: "One alert with two levels. An incident that gets worse stays the same incident, and its severity changes. Each level can have its own `clear`.",
    yaml: `rules:
  - id: freezer-warm
    where: { metric: temperature, device: "freezer-*" }
    window: { tumbling: 5m }
    aggregate: avg
    levels:
      warning: "> -18"
      critical: { when: "> -15", clear: "< -16" }
    for: 10m
    annotations: { summary: "{{ device }} at {{ value }} °C ({{ severity }})" }
`,
  },
  {
    title: "Out of a band",
    text: "`outside` holds below the first number and above the second.",
    yaml: `rules:
  - id: voltage-off
    where: { metric: voltage }
    window: { tumbling: 10s }
    when: "outside 207 and 253"
    clear: "between 209 and 251"
`,
  },
  {
    title: "A sensor that fell silent",
    text: "Any sensor of the plant, each metric separately. The value of the alert is the silence in seconds.",
    yaml: `rules:
  - id: silent
    where: { site: plant }
    absent: 15m
    annotations: { summary: "{{ device }} has sent no {{ metric }} for {{ value }} s" }
`,
  },
  {
    title: "A state that lasts, from a sensor that reports only changes",
    text: "`fill: last` repeats the state in windows without readings, and `for` sets how long it must last.",
    yaml: `rules:
  - id: gate-open
    where: { metric: gate }
    window: { tumbling: 10s }
    aggregate: last
    fill: last
    when: "== open"
    for: 5m
`,
  },
  {
    title: "Busy for most of an hour",
    text: "The seconds spent in a state within each hour. Here: running for more than 45 minutes.",
    yaml: `rules:
  - id: compressor-busy
    where: { metric: state, device: "compressor-*" }
    window: { tumbling: 1h }
    aggregate: duration(running)
    when: "> 2700"
`,
  },
  {
    title: "Rising fast",
    text: "More than six degrees per minute (`rate` alone is per second). Hopping windows detect it within ten seconds.",
    yaml: `rules:
  - id: heating-up
    where: { metric: temperature }
    window: { hopping: 1m, every: 10s }
    aggregate: rate(1m)
    when: "> 6"
`,
  },
  {
    title: "A sudden drop, relative to the normal value",
    text: "A fifth less than ten minutes ago. One rule works for pumps of any size.",
    yaml: `rules:
  - id: flow-drops
    where: { metric: flow }
    window: { hopping: 10m, every: 1m }
    aggregate: delta_percent
    when: "< -20"
`,
  },
  {
    title: "Ignore single spikes",
    text: "At least 3 of 10 readings above the limit, so one bad reading does not raise an alert.",
    yaml: `rules:
  - id: pressure-spikes
    where: { metric: pressure }
    window: { count: 10 }
    aggregate: count_if(> 6)
    when: ">= 3"
`,
  },
  {
    title: "Several series in one condition",
    text: "The motor runs but nothing flows. Each name has its own window, or uses the rule's. The condition is CEL: `&&`, `||`, `!`, `( )`, `+ - * /`, `abs()`, `min()`, `max()`.",
    yaml: `rules:
  - id: pump-blocked
    group_by: [device]
    window: { tumbling: 30s }
    let:
      flow: { metric: flow }
      current: { metric: motor_current, aggregate: max }
    when: "current > 12 && flow < 0.5"
    for: 1m
    annotations: { summary: "{{ device }}: {{ current }} A and only {{ flow }} l/s" }
`,
  },
  {
    title: "A stuck sensor",
    text: "A working sensor never reports one value for two hours. With fewer than three readings in an hour, nothing can be said.",
    yaml: `rules:
  - id: stuck
    where: { metric: temperature }
    window: { tumbling: 1h }
    let:
      spread: { aggregate: range }
      readings: { aggregate: count }
    when: "spread == 0 && readings >= 3"
    for: 1h
`,
  },
  {
    title: "By the local day, week or shift",
    text: 'Days in Berlin have 23 or 25 hours when clocks change. Other windows are `calendar: week`, which begins on Monday, `calendar: month`, and `shifts: ["06:00", "14:00", "22:00"]`.',
    yaml: `rules:
  - id: rain-heavy
    where: { metric: rain }
    window: { calendar: day, offset: "09:00", zone: Europe/Berlin }
    aggregate: sum
    when: "> 30"
    annotations: { summary: "{{ device }}: {{ value }} mm from nine to nine" }
`,
  },
  {
    title: "Against yesterday",
    text: "`offset` compares a series with itself at the same time a day, or `1w`, ago. Without a value of that time, nothing is said.",
    yaml: `rules:
  - id: power-unusual
    where: { metric: power }
    window: { tumbling: 1h }
    let:
      now: { aggregate: avg }
      yesterday: { aggregate: avg, offset: 1d }
    when: "now > 1.4 * yesterday"
    annotations: { summary: "{{ device }}: {{ now }} W, {{ yesterday }} W at this time yesterday" }
`,
  },
  {
    title: "A whole site",
    text: "The mean over all devices of a site. The lateness covers the delay between devices.",
    yaml: `rules:
  - id: hall-hot
    where: { metric: temperature, site: "hall-*" }
    group_by: [site]
    window: { tumbling: 5m }
    lateness: 30s
    when: "> 28"
`,
  },
  {
    title: "One notification for a gateway, not one for each sensor behind it",
    text: "While the gateway of a site is silent, no notifications are sent for the site's sensors. The page still shows their alerts.",
    yaml: `rules:
  - id: gateway-silent
    where: { metric: heartbeat, device: "gw-*" }
    group_by: [site]
    absent: 2m
    severity: critical
  - id: sensor-silent
    where: { metric: temperature }
    group_by: [site, device]
    absent: 5m
    inhibited_by: [{ rule: gateway-silent, equal: [site] }]
`,
  },
  {
    title: "Only in working hours",
    text: "In local time, with daylight saving. An open alert ends in the evening; `for` starts again in the morning.",
    yaml: `rules:
  - id: office-cold
    where: { metric: temperature, site: "office-*" }
    window: { tumbling: 5m }
    when: "< 19"
    for: 30m
    active: { days: [mon-fri], hours: ["07:00-18:00"], zone: Europe/Berlin, except: ["12-25", "12-26"] }
`,
  },
  {
    title: "A sensor with a bad radio",
    text: "It drops out all day. After four changes this becomes one alert, which ends after two quiet hours.",
    yaml: `rules:
  - id: radio-lost
    where: { device: "meter-*", metric: energy }
    absent: 10m
    flapping: { changes: 4, within: 2h }
    annotations: { summary: "{{ device }} silent for {{ value | duration }}" }
`,
  },
  {
    title: "All devices except a few",
    text: "A pattern that starts with `!` excludes devices.",
    yaml: `rules:
  - id: room-warm
    where: { metric: temperature, device: ["room-*", "!room-sauna"], site: "!lab" }
    window: { tumbling: 5m }
    when: "> 27"
`,
  },
  {
    title: "Computing without an alert",
    text: "Without `when`, a rule only computes values, for the page and the store.",
    yaml: `rules:
  - id: hourly
    where: { metric: power }
    window: { tumbling: 1h }
    aggregate: [avg, min, max, p95]
`,
  },
];
