import { expect, test } from "vitest";
import { headlineOf, type Situation } from "./headline-facts.ts";

const WELL: Situation = {
  firing: { critical: 0, warning: 0, info: 0 },
  acknowledged: 0,
  silenced: 0,
  shadow: 0,
  pending: 0,
  census: { devices: 12, silent: 0, partlySilent: 0, unwatched: 0, unwatchedMetrics: 0 },
  devicesBeyond: 0,
  ruleErrors: 0,
  ruleWarnings: 0,
  quarantined: 0,
  notReady: [],
  notices: [],
  storageLag: 0,
  deadLetters: { total: 0, reasons: [], grows: false },
  dropped: { total: 0, reasons: [], grows: false },
};

function said(about: Partial<Omit<Situation, "census">> & { readonly census?: Partial<Situation["census"]> }) {
  const { title, facts } = headlineOf({ ...WELL, ...about, census: { ...WELL.census, ...about.census } });
  return { title: `${title.tone}: ${title.words}`, facts: facts.map(({ words }) => words) };
}

const firing = (counts: Partial<Situation["firing"]>) => ({ firing: { ...WELL.firing, ...counts } });

test.each([
  ["all is well", {}, "calm: All well", ["12 devices"]],
  ["no device yet", { census: { devices: 0 } }, "quiet: Ready for readings", []],
  [
    "alerts",
    { ...firing({ critical: 2, warning: 1, info: 3 }), pending: 1 },
    "critical: 2 critical alerts",
    ["1 warning", "3 notices", "1 alert pending", "12 devices"],
  ],
  [
    "more devices than the page counts",
    { census: { devices: 20_000 }, devicesBeyond: 5_000 },
    "calm: All well",
    ["20.0k of 25.0k devices"],
  ],
  ["a notice", firing({ info: 1 }), "calm: All well", ["1 notice", "12 devices"]],
  [
    "total silence outranks warnings",
    { ...firing({ warning: 1 }), census: { silent: 12 } },
    "warning: All 12 devices are silent",
    ["1 warning", "12 devices"],
  ],
  ["some silence", { census: { devices: 1_000, silent: 998 } }, "warning: 998 devices silent", ["1,000 devices"]],
  ["a single device", { census: { devices: 1, silent: 1 } }, "warning: 1 device silent", ["1 device"]],
  ["a dead sensor", { census: { partlySilent: 1 } }, "warning: 1 device partly silent", ["12 devices"]],
  ["nothing watched", { census: { unwatched: 12 } }, "warning: Nothing is watched", ["12 devices"]],
  ["some devices not watched", { census: { unwatched: 1 } }, "warning: 1 device not watched", ["12 devices"]],
  [
    "metrics not watched",
    { census: { unwatchedMetrics: 9 } },
    "calm: All well",
    ["9 metrics not watched", "12 devices"],
  ],
  ["broken rule files", { ruleErrors: 2 }, "warning: 2 errors in rule files", ["12 devices"]],
  [
    "rules that failed",
    { quarantined: 2, ruleErrors: 1 },
    "warning: 1 error in rule files",
    ["2 rules failed and skipped", "12 devices"],
  ],
  ["warnings about rules", { ruleWarnings: 1 }, "calm: All well", ["1 warning about rules", "12 devices"]],
  ["the store is behind", { storageLag: 25_000 }, "warning: Store behind by 25.0k entries", ["12 devices"]],
  [
    "acknowledged and silenced alerts, apart from one another",
    { acknowledged: 2, silenced: 1 },
    "warning: 2 acknowledged alerts",
    ["1 silenced alert", "12 devices"],
  ],
  [
    "a new alert beside an acknowledged one",
    { ...firing({ warning: 1 }), acknowledged: 1 },
    "warning: 1 warning",
    ["1 acknowledged alert", "12 devices"],
  ],
  [
    "messages that are refused now",
    {
      deadLetters: {
        total: 7,
        reasons: [
          ["bad-payload", 4],
          ["unknown-topic", 2],
          ["too-large", 1],
        ],
        grows: true,
      },
    },
    "warning: 7 dead letters: bad-payload, unknown-topic, 1 more",
    ["12 devices"],
  ],
  [
    "messages that were refused earlier",
    { dropped: { total: 1, reasons: [["empty", 1]], grows: false } },
    "calm: All well",
    ["1 dropped message: empty", "12 devices"],
  ],
  [
    "a notice of a service",
    { notices: [{ name: "storage", notice: "the disk is almost full" }] },
    "warning: storage: the disk is almost full",
    ["12 devices"],
  ],
  [
    "a service that does not work",
    { notReady: ["storage: disk full", "notifier: not ready"], census: { silent: 3 } },
    "warning: Not ready: storage: disk full, 1 more",
    ["3 devices silent", "12 devices"],
  ],
] as const)("%s", (_, about, title, facts) => {
  expect(said(about)).toEqual({ title, facts });
});

test("each fact leads to the list that shows it", () => {
  const { title, facts } = headlineOf({
    ...WELL,
    ...firing({ warning: 1 }),
    ruleErrors: 1,
    storageLag: 20_000,
    census: { devices: 12, silent: 3, partlySilent: 1, unwatched: 1, unwatchedMetrics: 2 },
  });
  expect(Object.fromEntries([title, ...facts].map(({ about, href }) => [about, href]))).toEqual({
    warning: "#/alerts",
    silent: "#/devices?state=silent",
    unwatched: "#/devices?state=unwatched",
    "rule-errors": "#/rules",
    store: "#/pipeline",
    "partly-silent": "#/devices?state=partly-silent",
    "unwatched-metrics": "#/devices?state=partly-unwatched",
    devices: "#/devices",
  });
});
