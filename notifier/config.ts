import { z } from "zod";
import { durationField } from "../platform/files/schemas.ts";
import { addressSchema } from "../platform/files/secret-values.ts";
import { groupingSchema, routeSchema } from "./routes/route-config.ts";
import { configuredTarget, hasOneKind, targetNames, targetSchema } from "./targets/kinds.ts";
import { nameSchema } from "./targets/target-settings.ts";

/** The section `notifier` of weir.yaml. Each kind of target declares its own keys, in `targets/`. */
export const notifierConfigSchema = z
  .strictObject({
    receivers: z
      .record(nameSchema, z.array(targetSchema).min(1).max(32))
      .default({})
      .describe(
        "Who can be notified, by the name that rules use in `notify`. Every target in the list gets each notification.",
      ),
    routes: z
      .array(routeSchema(nameSchema))
      .max(1_000)
      .default([])
      .describe(
        "Who else to notify, and in which groups. The first route that matches an alert and names a receiver decides how that receiver is notified.",
      ),
    defaults: groupingSchema.prefault({}).describe("How to notify receivers that only a rule names."),
    max_age: durationField("1m", "365d")
      .prefault("1h")
      .describe(
        "An ended incident that could not be sent within this time is skipped. Firing alerts are sent whatever their age.",
      ),
    inhibit_wait: durationField("0s", "1h")
      .prefault("15s")
      .describe("How long an alert of a rule with `inhibited_by` waits for its cause, which may fire later."),
    inhibit_after: durationField("0s", "1d")
      .prefault("1m")
      .describe(
        "How long alerts stay inhibited after their cause has ended. Their next readings usually end them too.",
      ),
    external_url: addressSchema({
      protocols: ["http", "https"],
      example: "https://weir.example.com",
      instead: "a feed token, which people enter on the page",
    })
      .optional()
      .describe("Address of Weir's page. Notifications link to it."),
  })
  .superRefine(({ receivers, routes }, context) => {
    for (const [i, route] of routes.entries()) {
      for (const [k, receiver] of route.receivers.entries()) {
        if (Object.hasOwn(receivers, receiver)) continue;
        const known = Object.keys(receivers).join(", ") || "none";
        const message = `"${receiver}" is not a receiver; the receivers are: ${known}`;
        context.addIssue({ code: "custom", path: ["routes", i, "receivers", k], message });
      }
    }
    for (const [receiver, targets] of Object.entries(receivers)) {
      if (!targets.every(hasOneKind)) continue;
      const names = targetNames(targets.map(configuredTarget));
      for (const [i, target] of names.entries()) {
        if (names.indexOf(target) === i) continue;
        const message = `two targets are named "${target}"; rename one`;
        context.addIssue({ code: "custom", path: ["receivers", receiver, i], message });
      }
    }
  });

export type NotifierConfig = z.output<typeof notifierConfigSchema>;
