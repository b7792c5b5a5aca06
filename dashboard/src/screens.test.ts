import { expect, test } from "vitest";
import { deviceHref, devicesHref, incidentHref, letterHref, ruleHref, spanHref } from "./app/route.ts";
import { screensOf } from "./app/screen.ts";
import { SCREENS, screenAt } from "./screens.tsx";

/** What the table opens for an address: the screen and its properties. */
function screenOf(hash: string) {
  const { name, view } = screenAt(hash);
  return name === undefined ? "unknown" : { screen: name, ...view.props };
}

test.each([
  ["", { screen: "overview" }],
  ["#/", { screen: "overview" }],
  ["#/alerts", { screen: "alerts" }],
  ["#/alerts/a%2Fb", { screen: "incident", incident: "a/b" }],
  ["#/rules/too-warm", { screen: "rule", rule: "too-warm" }],
  ["#/dead-letters/7", { screen: "letter", sequence: 7 }],
  ["#/dead-letters/x", "unknown"],
  [
    "#/device/a?from=5&to=9",
    { screen: "device", device: "a", tags: {}, range: undefined, span: { fromUs: 5, toUs: 9 } },
  ],
  ["#/device/a?from=9&to=5", { screen: "device", device: "a", tags: {}, range: undefined, span: undefined }],
  [
    "#/devices?find=x&state=silent&sort=worst",
    {
      screen: "devices",
      filter: { find: "x", site: undefined, state: "silent", sort: "worst", device: undefined, tags: {} },
    },
  ],
  [
    "#/device/phone?tags.user=anna&tags.a%26b=c+d&range=1h",
    { screen: "device", device: "phone", tags: { user: "anna", "a&b": "c d" }, range: "1h", span: undefined },
  ],
  ["#/device/Dongsi", { screen: "device", device: "Dongsi", tags: {}, range: undefined, span: undefined }],
  ["#/device/a%2Fb?range=7d", { screen: "device", device: "a/b", tags: {}, range: "7d", span: undefined }],
  ["#/device/%E0%A4%A", "unknown"],
  ["#/device", "unknown"],
  ["#/nowhere", "unknown"],
])("%s opens its screen", (hash, expected) => {
  expect(screenOf(hash)).toEqual(expected);
});

test.each(["Dongsi", "a/b", "ü ?#%", "…"])("links to things named %s lead to them", (name) => {
  const device = { device: name, tags: { [name]: name, site: "x" } };
  expect(screenOf(deviceHref(device, "1h"))).toMatchObject({ screen: "device", ...device, range: "1h" });
  expect(screenOf(spanHref(device, { fromUs: 1, toUs: 2 }))).toMatchObject({ ...device, span: { fromUs: 1, toUs: 2 } });
  expect(screenOf(devicesHref(device))).toMatchObject({ screen: "devices", filter: device });
  expect(screenOf(incidentHref(name))).toEqual({ screen: "incident", incident: name });
  expect(screenOf(ruleHref(name))).toEqual({ screen: "rule", rule: name });
  expect(screenOf(devicesHref({ find: name }))).toMatchObject({ screen: "devices", filter: { find: name } });
});

test("a dead letter's link leads to it", () => {
  expect(screenOf(letterHref(7))).toEqual({ screen: "letter", sequence: 7 });
});

test("each screen has its own address, key and place in the header", () => {
  const screens = screensOf(SCREENS);
  for (const part of ["path", "link", "key"] as const) {
    const all = screens.flatMap((screen) => screen[part] ?? []);
    expect(new Set(all).size, part).toBe(all.length);
  }
  // A screen without a link in the header needs a way back.
  for (const { name, link, parent } of screens) expect(link === undefined, name).toBe(parent !== undefined);
});
