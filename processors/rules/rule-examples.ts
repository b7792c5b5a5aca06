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
  absent: [{ value: "5m", meaning: "no reading for five minutes" }],
  aggregate: [
    { value: "avg", meaning: "the mean" },
    { value: ["p95", "max", "count"], meaning: "three figures; the condition looks at p95" },
    { value: "count_if(> 5)", meaning: "how many readings are above 5" },
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
  ],
  notify: [{ value: ["ops"], meaning: "receivers of `notifier` in weir.yaml" }],
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
    text: "`rate` is per second: a tenth of a degree per second is six a minute. Hopping windows notice within ten seconds.",
    yaml: `rules:
  - id: heating-up
    where: { metric: temperature }
    window: { hopping: 1m, every: 10s }
    aggregate: rate
    when: "> 0.1"
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
