/** A value of a field, and what it says. */
export interface FieldExample {
  readonly value: unknown;
  readonly meaning: string;
}

/** By the field's path in a rule. Editors and the reference show them. */
export const FIELD_EXAMPLES: Readonly<Record<string, readonly FieldExample[]>> = {
  id: [{ value: "cold-room-warm", meaning: "small letters, digits, - _ and ." }],
  where: [
    {
      value: { metric: "temperature", site: ["north", "south"], device: "cold-*" },
      meaning: "all three must fit; one of a list is enough",
    },
    {
      value: { device: ["cold-*", "!cold-9"], site: "!lab" },
      meaning: "cold rooms but for the ninth, anywhere but in the lab; what has no site fits",
    },
    { value: {}, meaning: "every reading" },
  ],
  group_by: [
    { value: ["device"], meaning: "one alert for each device" },
    { value: ["site", "metric"], meaning: "all devices of a site together, each metric by itself" },
  ],
  window: [{ value: { tumbling: "1m" }, meaning: "each minute" }],
  "window.tumbling": [{ value: "1m", meaning: "10:00 to 10:01, 10:01 to 10:02..." }],
  "window.hopping": [{ value: "5m", meaning: "with every: 30s, the last five minutes, each half minute" }],
  "window.every": [{ value: "30s", meaning: "a window begins at :00 and :30" }],
  "window.sliding": [{ value: "5m", meaning: "the five minutes up to each reading" }],
  "window.session": [{ value: "30s", meaning: "a run of readings; 30 s of silence end it" }],
  "window.count": [{ value: 20, meaning: "each 20 readings" }],
  let: [
    {
      value: { flow: { metric: "flow" }, current: { metric: "motor_current", aggregate: "max" } },
      meaning: 'two series of one group; with when: "current > 12 && flow < 0.5"',
    },
  ],
  absent: [{ value: "5m", meaning: "no reading for five minutes" }],
  aggregate: [
    { value: "avg", meaning: "the mean" },
    { value: ["p95", "max", "count"], meaning: "three figures; the condition looks at p95" },
    { value: "count_if(> 5)", meaning: "how many readings are above 5" },
    { value: "rate(1h)", meaning: "how fast it changes, per hour" },
    {
      value: "delta_percent",
      meaning: "the change from the window's first to its last value, in percent of the first",
    },
    { value: "duration(open)", meaning: "for how many seconds the state was open" },
  ],
  fill: [{ value: "last", meaning: "a sensor that speaks only when something changes" }],
  when: [
    { value: "> 8", meaning: "also >= < <= == !=" },
    { value: "outside 2 and 8", meaning: "below 2 or above 8" },
    { value: "between 40 and 60", meaning: "40, 60 and all between" },
    { value: "== open", meaning: "with aggregate: last, the text `open`" },
  ],
  clear: [{ value: "< 7.5", meaning: "ends half a degree below where it began" }],
  for: [{ value: "10m", meaning: "ten minutes on end" }],
  keep_firing_for: [{ value: "5m", meaning: "five quiet minutes before it is over" }],
  flapping: [
    {
      value: { changes: 6, within: "1h" },
      meaning: "with the third end in an hour it fires on, until it has been quiet for an hour",
    },
  ],
  active: [
    {
      value: { days: ["mon-fri"], hours: ["07:00-18:00"], zone: "Europe/Berlin", except: ["12-25", "2026-04-03"] },
      meaning: "working hours there, but for two days",
    },
    {
      value: [{ hours: ["22:00-06:00"] }, { days: ["sat-sun"] }],
      meaning: "nights and weekends, in UTC; a night belongs to the day on which it begins",
    },
  ],
  lateness: [{ value: "10s", meaning: "each window waits ten seconds for stragglers" }],
  late: [{ value: "drop", meaning: "what has been told stays as it is" }],
  severity: [{ value: "critical", meaning: "info, warning or critical" }],
  shadow: [{ value: true, meaning: "to see what another threshold would have told, and tell nobody" }],
  labels: [{ value: { team: "facilities" }, meaning: "for routing and silences" }],
  annotations: [
    {
      value: { summary: "{{ device }} at {{ value }} °C" },
      meaning: "value, group labels and rule labels are filled in",
    },
    {
      value: { summary: "{{ device }}: {{ value | fixed 1 }} °C since {{ active_at | time 'Europe/Berlin' }}" },
      meaning: "one decimal, and local time",
    },
  ],
  notify: [{ value: ["ops"], meaning: "receivers of `notifier` in weir.yaml" }],
  inhibited_by: [
    {
      value: [{ rule: "gateway-silent", equal: ["site"] }],
      meaning: "the sensors behind a gateway that is away are not told one by one",
    },
  ],
};

/** Small rules for common wishes. */
export const RECIPES: readonly { readonly title: string; readonly text: string; readonly yaml: string }[] = [
  {
    title: "Too warm for too long",
    text: "The mean of each minute, ten minutes on end. It ends half a degree lower, so it does not flap at the limit.",
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
    title: "Out of a band",
    text: "`outside` holds below the first and above the second number.",
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
    text: "Any sensor at all, each metric by itself. The value of the alert is the silence in seconds.",
    yaml: `rules:
  - id: silent
    where: { site: plant }
    absent: 15m
    annotations: { summary: "{{ device }} has sent no {{ metric }} for {{ value }} s" }
`,
  },
  {
    title: "A state that lasts, of a sensor that speaks only on change",
    text: "`fill: last` carries the state on through windows without readings; `for` counts how long it lasts.",
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
    title: "How much of an hour",
    text: "Seconds in a state within each hour: more than 45 minutes of running.",
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
    text: "More than six degrees per minute (`rate` alone is per second). Hopping windows notice within ten seconds.",
    yaml: `rules:
  - id: heating-up
    where: { metric: temperature }
    window: { hopping: 1m, every: 10s }
    aggregate: rate(1m)
    when: "> 6"
`,
  },
  {
    title: "A sudden fall, whatever is normal",
    text: "A fifth less than ten minutes before: the same rule fits pumps of any size.",
    yaml: `rules:
  - id: flow-drops
    where: { metric: flow }
    window: { hopping: 10m, every: 1m }
    aggregate: delta_percent
    when: "< -20"
`,
  },
  {
    title: "A spike that is not one",
    text: "At least 3 of 10 readings above the limit: one bad reading fires nothing.",
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
    text: "The motor works and nothing flows. Each name has its own window, or the rule's; the condition is CEL: `&&`, `||`, `!`, `( )`, `+ - * /`, `abs()`, `min()`, `max()`.",
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
    text: "A real sensor never shows one value for an hour.",
    yaml: `rules:
  - id: stuck
    where: { metric: [temperature, humidity] }
    window: { tumbling: 1h }
    aggregate: [range, count]
    when: "== 0"
    for: 1h
`,
  },
  {
    title: "A whole site",
    text: "The mean over all devices of a site. A lateness bridges what devices differ in.",
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
    title: "One message for a gateway, not one for each sensor behind it",
    text: "While the gateway of a site is silent, nobody is told of the site's sensors. They show on the page all the same.",
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
    text: "Local time, with summer and winter. In the evening an open alert ends; in the morning `for` begins anew.",
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
    text: "It comes and goes all day: told four times, it becomes one alert that ends after two quiet hours.",
    yaml: `rules:
  - id: radio-lost
    where: { device: "meter-*", metric: energy }
    absent: 10m
    flapping: { changes: 4, within: 2h }
    annotations: { summary: "{{ device }} silent for {{ value | duration }}" }
`,
  },
  {
    title: "All but a few",
    text: "What begins with `!` is excluded.",
    yaml: `rules:
  - id: room-warm
    where: { metric: temperature, device: ["room-*", "!room-sauna"], site: "!lab" }
    window: { tumbling: 5m }
    when: "> 27"
`,
  },
  {
    title: "Figures without an alert",
    text: "Without `when` a rule only computes, for the page and the store.",
    yaml: `rules:
  - id: hourly
    where: { metric: power }
    window: { tumbling: 1h }
    aggregate: [avg, min, max, p95]
`,
  },
];
