/** The files of `weir init`, by path. */
export const INIT_FILES: Readonly<Record<string, string>> = {
  "weir.yaml": `# Settings of Weir. Every setting has a default: this file shows the ones that are changed most often.
# \`weir config docs\` prints all of them, and \`weir doctor\` checks this file.

# How topics and payloads become readings. The first source whose topic matches applies.
sources:
  # sensors/north/cold-1/telemetry  {"temperature": 4.5, "humidity": 80}
  - topic: "sensors/{site}/{device}/telemetry"
  # sensors/north/cold-1/temperature  4.5
  - topic: "sensors/{site}/{device}/{metric}"
    format: value

# Who may connect. Without a users file, clients on this machine only. \`weir passwd <user>\` prints an entry for it.
# broker:
#   users_file: users.yaml

# Who is notified of alerts. Rules name a receiver: notify: [ops]
# notifier:
#   receivers:
#     ops:
#       - webhook: { url: "https://example.org/hook" }

# Where results are stored, and for how long.
# storage:
#   retention: 90d
#   stores:
#     - duckdb: { memory_max: 512MiB }

# How long the log keeps readings.
# log:
#   readings: { max_age: 24h, max_size: 10GiB }
`,
  "rules/cold-room.yaml": `# A rule: an alert for each device whose temperature stays above 8 °C for two minutes.
# \`weir rules check\` finds mistakes, \`weir rules test\` runs cold-room.test.yaml.
rules:
  - id: cold-room-warm
    where: { metric: temperature, device: "cold-*" }
    window: { tumbling: 1m }
    aggregate: avg
    when: "> 8"
    clear: "< 7.5"
    for: 2m
    lateness: 10s
    severity: critical
    annotations: { summary: "{{ device }} at {{ value }} °C" }
`,
  "rules/cold-room.test.yaml": `# Tests of cold-room.yaml. \`5x30\` is the value 5 thirty times.
rule_files: [cold-room.yaml]
tests:
  - name: a room that stays warm fires after two minutes, and resolves when it is cold again
    series:
      - { device: cold-1, metric: temperature, every: 10s, values: "5x30 9x30 5x30" }
    expect:
      - { at: 5m, rule: cold-room-warm, device: cold-1, state: inactive }
      - { at: 7m, rule: cold-room-warm, device: cold-1, state: pending }
      - { at: 9m, rule: cold-room-warm, device: cold-1, state: firing }
      - { at: 12m, rule: cold-room-warm, device: cold-1, state: resolved }

  - name: a door that is open for a minute fires nothing
    series:
      - { device: cold-1, metric: temperature, every: 10s, values: "5x30 9x6 5x30" }
    expect:
      - { at: 7m, rule: cold-room-warm, device: cold-1, state: pending }
      - { at: 11m, rule: cold-room-warm, device: cold-1, state: inactive }
`,
};
