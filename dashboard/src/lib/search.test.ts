import { expect, test } from "vitest";
import { textSearch } from "./search.ts";

test.each([
  ["", "anything", true],
  ["  ", "anything", true],
  ["DONG", "Dongsi urban PM2.5", true],
  ["urban dong", "Dongsi urban PM2.5", true],
  ["urban cold", "Dongsi urban PM2.5", false],
  ["pm", "Dongsi urban PM2.5", true],
  ["cold-*", "north cold-12", true],
  ["cold-?", "north cold-12", false],
  ["*-12 north", "north cold-12", true],
  ["cold-*", "north cold 12", false],
  ["PM2.5", "PM215", false],
])("%j in %j: %s", (find, text, expected) => {
  expect(textSearch(find)(() => text)).toBe(expected);
});
