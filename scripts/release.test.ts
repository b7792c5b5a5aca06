import { expect, test } from "vitest";
// @ts-expect-error: a plain script, without types.
import { nextVersion, releaseChangelog } from "./release.mjs";

test.each([
  ["0.1.0", "patch", "0.1.1"],
  ["0.1.9", "minor", "0.2.0"],
  ["0.9.1", "major", "1.0.0"],
  ["0.1.0", "0.10.0", "0.10.0"],
  ["0.10.0", "0.9.0", undefined],
  ["0.1.0", "0.1.0", undefined],
  ["0.1.0", "v0.2.0", undefined],
  ["0.1.0", "next", undefined],
])("after %s, %s is %s", (current, wanted, version) => {
  expect(nextVersion(current, wanted)).toBe(version);
});

test("the unreleased part moves under the version, and becomes the notes", () => {
  const text = "# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n\n## 0.1.0 - 2026-01-01\n\n- The first.\n";
  const released = releaseChangelog(text, "0.2.0", "2026-02-02");
  expect(released.notes).toBe("### Added\n\n- A thing.");
  expect(released.text).toBe(
    "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-02-02\n\n### Added\n\n- A thing.\n\n## 0.1.0 - 2026-01-01\n\n- The first.\n",
  );
});

test("without unreleased changes there is no release", () => {
  expect(releaseChangelog("# Changelog\n\n## Unreleased\n\n## 0.1.0\n", "0.2.0", "2026-02-02")).toBeUndefined();
});
