import { expect, test } from "vitest";
import { notificationOf } from "../testing/target-kit.ts";
import { slackMessage } from "./slack.ts";
import { teamsMessage } from "./teams.ts";
import { textTemplates } from "./texts.ts";

const critical = (devices: number, labels = {}) => notificationOf(devices, { labels, severity: "critical" });

test("a Slack message stays within Slack's limits, and its labels ping nobody", () => {
  const one = JSON.stringify(
    slackMessage(critical(1, { note: "<!channel>" }), { ...textTemplates({}), link: "https://weir.example" }),
  );
  expect(one).toContain("[FIRING] hot: d0 north");
  expect(one).toContain("&lt;!channel&gt;");
  expect(one).not.toContain("<!channel>");
  const many = slackMessage(critical(100), { ...textTemplates({ text: "x".repeat(5_000) }), link: undefined });
  const [{ blocks } = { blocks: [] }] = many.attachments as { blocks: { text?: { text: string } }[] }[];
  expect(blocks.length).toBeLessThanOrEqual(50);
  expect(blocks.every(({ text }) => (text?.text.length ?? 0) <= 3_000)).toBe(true);
  expect(JSON.stringify(blocks)).toContain("and 60 more");
  expect(many.text).toBe("[100 FIRING] north");
});

test("a Teams message is an Adaptive Card of at most 28 KB", () => {
  const card = teamsMessage(critical(100), {
    ...textTemplates({ title: "{{ device }} in {{ site }}: {{ value }}" }),
    link: "https://weir.example",
  });
  expect(card).toMatchObject({
    type: "message",
    attachments: [{ contentType: "application/vnd.microsoft.card.adaptive" }],
  });
  const text = JSON.stringify(card);
  expect(text.length).toBeLessThan(28_000);
  expect(text).toContain("d3 in north: 9.5");
  expect(text).toContain("and 75 more");
});
