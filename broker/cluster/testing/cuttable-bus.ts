import type { Bus } from "../../../platform/log/port.ts";

/** A bus of which nothing comes or goes while it is cut. */
export function cuttable(bus: Bus): { readonly bus: Bus; readonly cut: (isCut: boolean) => void } {
  let isCut = false;
  const cuttableBus: Bus = {
    ...bus,
    publish: (...args) => {
      if (!isCut) bus.publish(...args);
    },
    publishBytes: (...args) => {
      if (!isCut) bus.publishBytes(...args);
    },
    subscribe: (report, onValue, onBad) =>
      bus.subscribe(
        report,
        (value, key) => {
          if (!isCut) onValue(value, key);
        },
        onBad,
      ),
    subscribeBytes: (subject, onBytes) =>
      bus.subscribeBytes(subject, (bytes, from) => {
        if (!isCut) onBytes(bytes, from);
      }),
  };
  return {
    bus: cuttableBus,
    cut: (next) => {
      isCut = next;
    },
  };
}
