import { describe, expect, test } from "vitest";
import type { SourceConfig } from "../../ingest/mapping/source-fields.ts";
import { sourceListSchema } from "../../ingest/mapping/source-list.ts";
import { suggestSources } from "../../ingest/trials/suggest.ts";
import { type TriedMessage, type TriedReading, tryMessage } from "../../ingest/trials/trial.ts";
import { FAMILIES, type FamilyCase, messagesOf } from "./family.ts";

const RECEIVED_AT_US = Date.UTC(2026, 5, 1) * 1_000;
const FAMILIES_MIN = 30;

/** Families of which no suggestion reads a case as the family's own sources do, and why. */
const UNREACHED: Readonly<Record<string, string>> = {
  ahoydtu: "the channel, a tag there, becomes a part of the metric",
  "arduino-cloud": "the base name is the device, and not the level of the topic",
  birdnet: "the metric keeps its capital letter",
  csv: "rows without names: nothing says which column is which",
  "dsmr-reader": "nothing names the meter: its preset does",
  ebusd: "the metric is a level and a part of the payload together",
  elvaco: "CSV is not recognized",
  "ems-esp": "on and off stay texts",
  enphase: "elements that are named by a field, without a value of their own",
  esphome: "ON and OFF stay texts, and the kind of a sensor is no device",
  espresense: "rooms and devices have the same level",
  evcc: "the device is several levels before the last",
  frigate: "counts are named by the preset",
  fronius: "inverters are keys inside of quantities",
  "go-echarger": "nobody can tell an array of channels from samples",
  grott: "the zone of its local times",
  helium: "the name of the device, where its address names it, too",
  "home-assistant-discovery": "descriptions look like readings",
  "industrial-edge": "the configuration names the tags",
  knx: "the configuration names the group addresses",
  "line-protocol": "a blank with a backslash in a tag",
  losant: "one of its two forms of time is an object",
  meshtastic: "the sender is a number in a field that nothing marks",
  modbus2mqtt: "registers need a scale",
  "mqtt-io": "ON and OFF stay texts",
  "mqtt-smarthome": "the device is several levels before the last",
  "opc-ua-pubsub": "data sets and their descriptions come mixed",
  openmqttgateway: "several kinds of gateways share one level",
  openwb: "the device is two levels together",
  owntracks: "the user varies and the device does not",
  particle: "a value alone is named by the topic, and is in a field",
  "sensor-community": "the device needs a text before its number",
  "shelly-gen2": "notifications and the state of components name metrics in two ways",
  signalk: "the boat is a context, which no other family has",
  sma: "the zone of its local dates",
  sparkplug: "its births are a matter of its preset",
  telegraf: "JSON and line protocol on one topic",
  teltonika: "registers need a scale and names",
  teslamate: "the topic has no other car, and its number looks like a part",
  ubidots: "values alone, with times and in lists share one topic",
  victron: "the device is two levels together",
  "zwave-js": "the name is levels around the value",
};

/** What the suggested sources make of the messages of a case; undefined if weir.yaml would refuse them. */
function readBySuggestion(one: FamilyCase): readonly TriedReading[] | undefined {
  const messages = messagesOf(one).map((message) => ({ ...message, receivedAtUs: RECEIVED_AT_US }));
  const suggested = suggestSources(messages, { presets: [] }).map(({ source }) => source);
  if (suggested.length === 0) return [];
  const parsed = sourceListSchema.safeParse(suggested);
  return parsed.success ? messages.flatMap((message) => readBy(parsed.data, message)) : undefined;
}

function readBy(sources: readonly SourceConfig[], message: TriedMessage): readonly TriedReading[] {
  for (const source of sources) {
    const trial = tryMessage(source, message);
    if (trial.kind === "read") return trial.readings;
  }
  return [];
}

type Wanted = FamilyCase["readings"][number];

/** The device, the value and the time are right, and the metric's name ends as it should. Tags are left to the user. */
function isRight(read: TriedReading, { device, metric, value, time }: Wanted): boolean {
  const atMs = read.atUs === undefined || Number.isNaN(read.atUs) ? undefined : Math.floor(read.atUs / 1_000);
  const isNamed = read.metric === metric || read.metric.endsWith(`.${metric}`);
  const wantedMs = time === undefined ? undefined : Math.floor(Date.parse(time));
  return read.device === device && isNamed && read.value === value && atMs === wantedMs;
}

function isReached(one: FamilyCase): boolean {
  const read = readBySuggestion(one) ?? [];
  return one.readings.length > 0 && one.readings.every((wanted) => read.some((reading) => isRight(reading, wanted)));
}

const REACHED = FAMILIES.filter(({ cases }) => cases.some(isReached)).map(({ name }) => name);

describe("sources that are suggested without presets", () => {
  test.each(FAMILIES)("$title: the list is one that weir.yaml accepts", ({ cases }) => {
    for (const one of cases) expect(readBySuggestion(one), one.what).toBeDefined();
  });

  test("read the messages of most families as their own sources do", () => {
    const unreached = FAMILIES.map(({ name }) => name).filter((name) => !REACHED.includes(name));
    expect(unreached).toEqual(Object.keys(UNREACHED).sort());
    expect(REACHED.length).toBeGreaterThanOrEqual(FAMILIES_MIN);
  });
});
