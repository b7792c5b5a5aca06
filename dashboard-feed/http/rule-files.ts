import { RULE_FILES, ruleFilesSchema } from "../../contracts/rule-files.ts";
import { askService, RULES, RULES_PROBLEMS } from "./ask-service.ts";
import { operation } from "./operation.ts";

export const ruleFiles = operation({
  method: "GET",
  path: "/api/v1/rule-files",
  id: "ruleFiles",
  tag: "rules",
  summary: "Errors and warnings in the rule files, which may differ from the rules in force",
  scope: { channels: ["alerts"], allSitesOnly: true },
  answer: ruleFilesSchema,
  problems: RULES_PROBLEMS,
  example: {},
  async handle({ log }) {
    return await askService(log.bus, RULE_FILES, {}, RULES);
  },
});
