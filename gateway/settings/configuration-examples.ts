import type { PipelineConfig } from "./pipeline-config.ts";

/** An example of each section of weir.yaml: together they set every field that has no default. */
export const CONFIGURATION_EXAMPLES: Readonly<Record<keyof PipelineConfig, string>> = {
  partitions: `partitions: 8
`,
  sources: `sources:
  # plant-7/press-3/sensors  {"when": 1767225600, "temp_oil": 61.5}
  - topic: "{site}/{device}/sensors"
    timestamp: { field: when, unit: s }
    metrics: ["temp_*", "pressure"]
    tags: { owner: maintenance }
  # sensors/north/cold-1/temperature  4.5
  - topic: "sensors/{site}/{device}/{metric}"
    format: value
---
sources:
  # Topics that carry no readings.
  - topic: zigbee2mqtt/bridge/#
    ignore: true
  # radio/events  {"time": "2025-11-18 20:42:29", "model": "TX141", "id": 58, "temperature_C": 3.4, "battery": "LOW"}
  - topic: radio/events
    when: has(payload.model)
    device: "{model}-{id}"
    timestamp: { field: time, timezone: Europe/Berlin }
    rename: { temperature_C: temperature }
    convert: { battery: { enum: { LOW: 0, OK: 1 } } }
  # substation/up  {"sn": "GW1", "time": "18.11.2025 10:09", "data": {"C1": [{"id": "Ua", "value": "391,10"}]}}
  - topic: substation/up
    device: "{sn}"
    each: data.{channel}.*
    metric: "{channel}.{id}"
    value: value
    timestamp: { field: time, format: "DD.MM.YYYY HH:mm", timezone: Europe/Berlin, max_behind: 2d }
    coerce: { decimal: "," }
  # vibration/bearing-1  {"ts": 1767225600, "samples": [{"x": 211}, {"x": 198}]}
  - topic: vibration/{device}
    each: samples.*
    interval: 10ms
    convert: { x: { scale: 0.001, offset: -0.2, unit: g, as: number, no_value: [-9999] } }
    compute: { x_squared: item.x * item.x }
---
sources:
  # meter/hall  1.204,5 kWh
  - topic: meter/{device}
    format: value
    metric: energy
    coerce: { decimal: ",", thousands: ".", units: true }
---
sources:
  # A preset, for devices whose topics begin otherwise than usual
  - use: zigbee2mqtt
    base: home/zigbee
    timezone: Europe/Berlin
    max_behind: 7d
    metrics: ["temperature", "battery"]
    drop: [battery_low]
    rename: { temperature: air_temperature }
    prefix: zigbee.
    convert: { battery: { unit: "%" } }
    coerce: off
    no_value: ["", none]
    tags: { building: north }
  # ie/press/data  {"vals": [{"id": "101", "qc": 3, "val": 63.5}, {"id": "102", "qc": 0, "val": 0}]}
  - topic: ie/{device}/data
    each: vals.*
    skip: item.qc != 3
    metric: "tag_{id}"
    value: val
  # rows/oven  {"t0": 1767225600, "columns": ["temp"], "rows": [[180.5], [181]], "site": {"hall": 2}}
  - topic: rows/{device}
    each: rows.*
    names: columns
    tags_from: site
    timestamp: { compute: payload.t0 + index * 10.0, unit: s }
  - topic: csv/{device}
    format: { csv: { separator: ";", columns: [time, temperature] } }
  - topic: boilers/{device}
    format: protobuf
    schema: { subject: plant, version: 2, message: Boiler }
`,
  clock: `clock:
  max_ahead: 30s
  not_before: 2020-01-01
`,
  ingest: `ingest:
  limits: { text_size_max: 16KiB }
  sparkplug: { host_id: weir-north }
`,
  bridges: `bridges:
  - name: plant
    url: mqtts://broker.example.com:8883
    client_id: weir-north
    share: weir
    username: weir
    password_env: PLANT_PASSWORD # or password_file: /run/secrets/plant
    tls:
      ca_file: /etc/weir/plant-ca.pem
      cert_file: /etc/weir/plant-cert.pem
      key_file: /etc/weir/plant-key.pem
      server_name: broker.plant.example
    in:
      # site/7/up/press-3 comes in as sensors/7/press-3/telemetry
      - { remote: "site/{site}/up/{device}", local: "sensors/{site}/{device}/telemetry" }
    out:
      # alerts/cold-room-warm/cold-1 goes out as north/alerts/cold-room-warm/cold-1
      - { local: "alerts/#", remote: "north/alerts/#", retain: always }
`,
  broker: `broker:
  users_file: users.yaml
  anonymous: false
  tls: { cert_file: /etc/weir/cert.pem, key_file: /etc/weir/key.pem }
  ws_origins: ["https://panel.example.com"]
  limits: { clients_max: 5000, session_expiry: 7d, packet_size_max: 1MiB }
`,
  processors: `processors:
  checkpoint: 30s
  lease: 10s
`,
  storage: `storage:
  retention: 90d
  stores:
    - duckdb: { file: /var/lib/weir/history.duckdb, memory_max: 1GiB, threads: 4 }
---
storage:
  stores:
    - influxdb:
        url: http://127.0.0.1:8086
        org: plant
        bucket: weir
        token_env: INFLUX_TOKEN # or token_file: /run/secrets/influx
---
storage:
  # Each store gets everything. The first one answers questions about the past.
  stores:
    - duckdb: {}
    - influxdb: { url: "http://influx.example:8086", org: plant, bucket: weir, token_env: INFLUX_TOKEN }
`,
  notifier: `notifier:
  external_url: https://weir.example.com
  receivers:
    # Rules name receivers: notify: [ops]
    ops:
      - webhook:
          name: chat
          url_env: OPS_SLACK_URL # or url_file: /run/secrets/slack
          format: slack
          title: "{{ device }}"
          text: "{{ rule }} is {{ state }} at {{ value }}"
      - webhook:
          url: https://tickets.example.com/hooks/weir
          secret_env: TICKETS_SECRET # or secret_file: /run/secrets/tickets
          headers: { x-team: plant }
          headers_env: { authorization: TICKETS_AUTH }
      - mqtt:
          url: mqtt://broker.example.com:1883
          username: weir
          password_file: /run/secrets/mqtt # or password_env: MQTT_PASSWORD
      - email:
          host: mail.example.com
          port: 587
          ca_file: /etc/weir/ca.pem
          username: weir
          password_env: MAIL_PASSWORD
          from: weir@example.com
          to: [ops@example.com]
    prometheus:
      - alertmanager: { url: "http://127.0.0.1:9093" }
  routes:
    - match: { severity: critical, site: [north, south] }
      receivers: [ops]
      group_by: [site]
      repeat_interval: 1h
`,
  feed: `feed:
  allowed_origins: ["https://wall.example.com"]
  tokens:
    - { name: ops, token_env: OPS_TOKEN, admin: true }
    - { name: wall, token_file: /run/secrets/wall, sites: ["north-*"], channels: [alerts, windows] }
    - { name: audit, sha256: ecd71870d1963316a97e3ac3408c9835ad8cf0f3c1bc703527c30265534f75ae }
`,
  nats: `nats:
  url: nats://nats.example.com:4222
  token_env: NATS_TOKEN # or token_file: /run/secrets/nats
`,
  log: `log:
  replicas: 3
  readings: { max_age: 7d, max_size: 100GiB }
  disk_reserve: 2GiB # with the NATS server that Weir starts
`,
};
