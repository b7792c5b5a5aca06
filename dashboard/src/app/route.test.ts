import { expect, test } from "vitest";
import { createLimiter } from "./limiter.ts";
import { deviceHref, parseRoute } from "./route.ts";

test.each([
  ["", { screen: "overview" }],
  ["#/", { screen: "overview" }],
  ["#/alerts", { screen: "alerts" }],
  ["#/alerts/a%2Fb", { screen: "incident", incident: "a/b" }],
  ["#/rules/too-warm", { screen: "rule", rule: "too-warm" }],
  ["#/dead-letters/7", { screen: "letter", sequence: 7 }],
  ["#/device/a?from=5&to=9", { screen: "device", device: "a", range: undefined, span: { fromUs: 5, toUs: 9 } }],
  ["#/device/a?from=9&to=5", { screen: "device", device: "a", range: undefined }],
  [
    "#/devices?find=x&state=silent&sort=worst",
    { screen: "devices", filter: { find: "x", site: undefined, state: "silent", sort: "worst" } },
  ],
  ["#/device/Dongsi", { screen: "device", device: "Dongsi", range: undefined }],
  ["#/device/a%2Fb?range=7d", { screen: "device", device: "a/b", range: "7d" }],
  ["#/device/%E0%A4%A", { screen: "unknown", path: "/device/%E0%A4%A" }],
  ["#/device", { screen: "unknown", path: "/device" }],
  ["#/nowhere", { screen: "unknown", path: "/nowhere" }],
])("%s is read", (hash, route) => {
  expect(parseRoute(hash)).toEqual(route);
});

test.each(["Dongsi", "a/b", "ü ?#%", "…"])("the link of %s leads to it", (device) => {
  expect(parseRoute(deviceHref(device, "1h"))).toEqual({ screen: "device", device, range: "1h" });
});

test("requests are made a few at a time, and refused beyond the line", async () => {
  const limit = createLimiter(2, 3);
  let running = 0;
  let most = 0;
  const finish: (() => void)[] = [];
  const task = async () => {
    running++;
    most = Math.max(most, running);
    await new Promise<void>((done) => finish.push(done));
    running--;
  };
  const tasks = Array.from({ length: 5 }, () => limit(task));
  await expect(limit(task)).rejects.toThrow("waiting");
  for (let done = 0; done < 5; done++) {
    await expect.poll(() => finish.length).toBeGreaterThan(done);
    finish[done]?.();
  }
  await Promise.all(tasks);
  expect(most).toBe(2);
});
