import { describe, expect, it } from "vitest";
import { compileFilter } from "./filter.ts";

describe("compileFilter", () => {
  it("has one key for equal filters, and ignores a single star", () => {
    const keys = [
      { a: "1", b: "2" },
      { b: "2", a: "1" },
      { b: "2", a: "1", c: "*" },
    ].map((f) => compileFilter(f).key);
    expect(new Set(keys).size).toBe(1);
    expect(compileFilter({ a: "1" }).key).not.toBe(compileFilter({ a: "2" }).key);
    expect(compileFilter({ a: "*" }).matches(() => "")).toBe(true);
    expect(compileFilter({ a: "?*" }).matches(() => "")).toBe(false);
  });

  it("matches one pattern of a list", () => {
    const is = (text: string) => (name: string) => (name === "device" ? text : "");
    const filter = compileFilter({ device: ["cold-1", "pump-*"] });
    expect(["cold-1", "pump-7", "pump-", "cold-2", ""].map((text) => filter.matches(is(text)))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(compileFilter({ device: ["b", "a", "b"] }).key).toBe(compileFilter({ device: ["a", "b"] }).key);
    expect(compileFilter({ device: ["a", "*"] }).key).toBe(compileFilter({}).key);
    expect(compileFilter({ device: ["a"] }).key).toBe(compileFilter({ device: "a" }).key);
    // A list differs from its texts joined into one.
    expect(compileFilter({ a: ["b", "c"] }).key).not.toBe(compileFilter({ a: "b", c: "c" }).key);
  });

  it("never shows items beyond the permitted sites", () => {
    const of = (labels: Record<string, string>) => (name: string) => labels[name] ?? "";
    const filter = compileFilter({ site: ["south", "north-1"], device: "d" }, ["north*"]);
    expect(filter.restricted).toBe(true);
    expect(filter.matches(of({ site: "south", device: "d" }))).toBe(false);
    expect(filter.matches(of({ site: "north-1", device: "d" }))).toBe(true);
    expect(filter.matches(of({ site: "north-2", device: "d" }))).toBe(false);
    expect(filter.permits(of({ site: "north-2", device: "x" }))).toBe(true);
    expect(compileFilter({}, ["a"]).matches(of({}))).toBe(false);
    expect(compileFilter({}, ["a", "*"])).toMatchObject({ restricted: false });
  });
});
