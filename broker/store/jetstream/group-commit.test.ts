import { expect, test } from "vitest";
import { GroupCommit } from "./group-commit.ts";

interface Item {
  readonly owner: string;
  readonly number: number;
  readonly weight: number;
}

test("who has much to store does not delay the others, and each keeps its order", async () => {
  const groups: Item[][] = [];
  const group = new GroupCommit<Item, void>({
    gatherMs: 1,
    weightMax: 100,
    weightOf: ({ weight }) => weight,
    ownerOf: ({ owner }) => owner,
    commit: async (items) => {
      groups.push([...items]);
      return items.map(() => ({ status: "fulfilled", value: undefined }));
    },
  });
  const heavy = Array.from({ length: 60 }, (_, number) => group.add({ owner: "heavy", number, weight: 25 }));
  const light = Array.from({ length: 3 }, (_, number) => group.add({ owner: "light", number, weight: 1 }));
  await Promise.all([...heavy, ...light]);
  const firstGroups = groups.slice(0, 2).flat();
  expect(firstGroups.filter(({ owner }) => owner === "light")).toHaveLength(3);
  for (const owner of ["heavy", "light"]) {
    const numbers = groups
      .flat()
      .filter((item) => item.owner === owner)
      .map(({ number }) => number);
    expect(numbers).toEqual([...numbers.keys()]);
  }
  expect(groups.flat()).toHaveLength(63);
});

test("owners of heavy items, each of which takes a whole turn and more, do not slow down one of light items", async () => {
  const order: string[] = [];
  const group = new GroupCommit<Item, void>({
    gatherMs: 1,
    weightMax: 512,
    weightOf: ({ weight }) => weight,
    ownerOf: ({ owner }) => owner,
    commit: async (items) => {
      order.push(...items.map(({ owner }) => owner));
      return items.map(() => ({ status: "fulfilled", value: undefined }));
    },
  });
  const heavy = Array.from({ length: 8 * 50 }, (_, i) =>
    group.add({ owner: `heavy-${i % 8}`, number: i, weight: 340 }),
  );
  const light = Array.from({ length: 100 }, (_, number) => group.add({ owner: "light", number, weight: 36 }));
  await Promise.all([...heavy, ...light]);
  expect(order).toHaveLength(500);
  // By weight, each of the nine gets as much as the others: nine light items for one heavy item of each.
  const before = order.slice(0, order.lastIndexOf("light")).filter((owner) => owner.startsWith("heavy"));
  expect(before.length).toBeLessThan((8 * 100) / 9 + 16);
});
