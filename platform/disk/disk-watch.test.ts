import { expect, test } from "vitest";
import { shortText } from "./disk-events.ts";
import { type DiskState, DiskWatch } from "./disk-watch.ts";

const MIB = 1_048_576;

function watch(options: { readonly totalMib: number; readonly reserveMib?: number }) {
  const disk = { freeMib: options.totalMib };
  const changes: DiskState[] = [];
  let fails = false;
  const watched = new DiskWatch({
    folder: "data",
    reserveBytes: options.reserveMib === undefined ? undefined : options.reserveMib * MIB,
    onLook: () => {},
    onChange: (state) => changes.push(state),
    spaceOf: async () => {
      if (fails) throw new Error("EIO");
      return { freeBytes: disk.freeMib * MIB, totalBytes: options.totalMib * MIB };
    },
  });
  return {
    watched,
    changes,
    async free(mib: number) {
      disk.freeMib = mib;
      await watched.look();
      return watched.isShort;
    },
    fail() {
      fails = true;
    },
  };
}

test("a disk is short below its reserve, and has room again with a quarter more", async () => {
  const { free, changes } = watch({ totalMib: 10_000, reserveMib: 400 });
  const seen: [number, boolean][] = [];
  for (const mib of [1_000, 400, 399, 400, 499, 500, 400, 399]) seen.push([mib, await free(mib)]);
  expect(seen).toEqual([
    [1_000, false],
    [400, false],
    [399, true],
    [400, true],
    [499, true],
    [500, false],
    [400, false],
    [399, true],
  ]);
  expect(changes.map(({ isShort }) => isShort)).toEqual([true, false, true]);
  expect(shortText(changes[0] as DiskState)).toBe(
    "The disk has 399 MiB free: publishes wait for their acknowledgement until it has 500 MiB (log.disk_reserve in weir.yaml).",
  );
});

test.each([
  [100_000, 200],
  [2_000, 200],
  [300, 30],
])("without a setting, a disk of %d MiB keeps %d MiB free", async (totalMib, reserveMib) => {
  const { watched } = watch({ totalMib });
  await watched.look();
  expect(watched.state?.reserveBytes).toBe(reserveMib * MIB);
});

test("a disk that does not say its space keeps its last state", async () => {
  const { free, fail, watched } = watch({ totalMib: 10_000, reserveMib: 400 });
  expect(await free(10)).toBe(true);
  fail();
  expect(await free(5_000)).toBe(true);
  expect(watched.state?.freeBytes).toBe(10 * MIB);
});
