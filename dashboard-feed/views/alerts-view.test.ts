import { describe, expect, it } from "vitest";
import type { AlertChange } from "../../domain/alert.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import { alertChange, alertMessage } from "../testing/test-kit.ts";
import { AlertsView } from "./alerts-view.ts";
import { Progress } from "./progress.ts";

function makeView(options: Partial<ConstructorParameters<typeof AlertsView>[0]> = {}): AlertsView {
  return new AlertsView({
    ...{ progress: new Progress(), endedMax: 2_000, openMax: 100_000, changesMax: 10_000, onOpenEvicted: () => {} },
    ...options,
  });
}

let sequence = 0;

function message(change: Partial<AlertChange> & { readonly device: string }): LogMessage {
  const { device, ...about } = change;
  const { subject, payload } = alertMessage(alertChange({ key: { device }, incident: device, ...about }));
  return { subject, payload, sequence: ++sequence, storedAtUs: 0 };
}

describe("the view of alerts", () => {
  it("keeps an open critical incident behind 5,000 newer open ones and 3,000 ended ones", () => {
    const view = makeView();
    view.apply(message({ device: "oldest", severity: "critical" }));
    for (let i = 0; i < 5_000; i++) view.apply(message({ device: `open-${i}`, severity: "info" }));
    for (let i = 0; i < 3_000; i++) {
      view.apply(message({ device: `ended-${i}` }));
      view.apply(message({ device: `ended-${i}`, from: "firing", state: "resolved" }));
    }
    expect(view.open()).toHaveLength(5_001);
    expect(view.open().at(-1)?.change).toMatchObject({ incident: "oldest", severity: "critical" });
    expect(view.changesOf("oldest")).toHaveLength(1);
    expect(view.ended()).toHaveLength(2_000);
    expect(view.ended()[0]?.change.incident).toBe("ended-2999");
    expect(view.has("ended-999")).toBe(false);
  });

  it("evicts open incidents only beyond a bound of their own, and counts them", () => {
    let evicted = 0;
    const forgotten: string[] = [];
    const view = makeView({ openMax: 3, onOpenEvicted: () => evicted++, onForgotten: (id) => forgotten.push(id) });
    for (let i = 0; i < 5; i++) view.apply(message({ device: `open-${i}` }));
    expect(view.open().map(({ change }) => change.incident)).toEqual(["open-4", "open-3", "open-2"]);
    expect([evicted, forgotten]).toEqual([2, ["open-0", "open-1"]]);
  });

  it("keeps an incident that opened again as an open one", () => {
    const view = makeView({ endedMax: 1 });
    view.apply(message({ device: "a", state: "resolved" }));
    view.apply(message({ device: "a", state: "firing" }));
    for (let i = 0; i < 3; i++) view.apply(message({ device: `ended-${i}`, state: "resolved" }));
    expect(view.open().map(({ change }) => change.incident)).toEqual(["a"]);
    expect(view.ended().map(({ change }) => change.incident)).toEqual(["ended-2"]);
  });
});
