import { describe, expect, it } from "vitest";
import { feedConfigSchema } from "./config.ts";

describe("feedConfigSchema", () => {
  it("has a default for everything, on this machine only", () => {
    expect(feedConfigSchema.parse({})).toMatchObject({
      bind: "127.0.0.1",
      port: 8080,
      limits: { frame_size_max: 65_536, buffered_size_coalesce: 262_144, buffered_size_max: 4_194_304 },
      history: { windows_per_series_max: 240 },
    });
  });

  it("refuses unknown keys, and reports all errors at once", () => {
    const { error } = feedConfigSchema.safeParse({ prot: 1, port: 70_000, limits: { clients_max: 0, x: 1 } });
    expect(error?.issues.map(({ path }) => path.join(".")).sort()).toEqual([
      "",
      "limits",
      "limits.clients_max",
      "port",
    ]);
  });

  it.each([
    [{ bind: "0.0.0.0" }, false],
    [{ bind: "0.0.0.0", insecure: true }, true],
    [{ bind: "::", tokens: [{ name: "ops", token_env: "OPS_TOKEN" }] }, true],
    [{ bind: "::1" }, true],
    [{ bind: "localhost" }, true],
    [{ bind: "127.0.0.2" }, true],
    [{ tokens: [] }, false],
    [{ tokens: [{ name: "ops" }] }, false],
    [{ tokens: [{ name: "ops", token_env: "not a name" }] }, false],
    [{ tokens: [{ name: "ops", sha256: "abc" }] }, false],
    [{ tokens: [{ name: "ops", sha256: "0".repeat(64) }] }, true],
    [{ tokens: [{ name: "ops", sha256: "0".repeat(64), token_env: "OPS_TOKEN" }] }, false],
    [{ tokens: [{ name: "ops", token_env: "OPS_TOKEN", sites: [] }] }, false],
    [{ tokens: [{ name: "ops", token_env: "OPS_TOKEN", channels: ["metrics"] }] }, false],
  ])("takes %j: %s", (config, taken) => {
    expect(feedConfigSchema.safeParse(config).success).toBe(taken);
  });
});
