import { afterAll, beforeAll, describe, test } from "vitest";
import { allLibraries } from "./libraries/libraries.ts";
import { fits, SCENARIOS, waysOf } from "./scenarios/scenarios.ts";
import { Trial } from "./scenarios/trial.ts";
import { startTarget } from "./targets/start-target.ts";
import type { Target } from "./targets/target.ts";

/** Real client libraries on the real process. `npm run test:clients` also runs them over TLS and WebSocket. */
const libraries = allLibraries();
let target: Target | undefined;

beforeAll(async () => {
  target = await startTarget();
});

afterAll(async () => {
  await Promise.all(libraries.map((library) => library.stop()));
  await target?.stop();
});

for (const way of waysOf(libraries)) {
  if (way.transport !== "tcp") continue;
  describe.concurrent(`${way.library.name}, MQTT ${way.version === 5 ? "5" : "3.1.1"}`, () => {
    for (const scenario of SCENARIOS) {
      if (!fits(scenario, way)) continue;
      test(scenario.name, async () => {
        if (target === undefined) throw new Error("no broker");
        const trial = new Trial({ ...way, target });
        try {
          await scenario.run(trial);
        } finally {
          await trial.end();
        }
      });
    }
  });
}
