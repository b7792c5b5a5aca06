import { expect, test } from "vitest";
import { changeOf, T0 } from "../testing/test-kit.ts";
import { slackMessage, teamsMessage } from "./chat.ts";
import type { Message } from "./target.ts";

function messageOf(count: number, labels: Record<string, string> = {}): Message {
  const entries = Array.from({ length: count }, (_, i) => ({
    ...{ alert: `hot.${i}`, sequence: i + 1, storedAtUs: T0, source: "/weir" },
    change: changeOf({ device: `d${i}`, labels, severity: "critical" }),
  }));
  return { id: "m", receiver: "ops.webhook", repeat: 0, grouped: count > 1, labels: { site: "north" }, entries };
}

test("a Slack message within Slack's bounds, whose labels ping nobody", () => {
  const one = JSON.stringify(slackMessage(messageOf(1, { note: "<!channel>" }), { link: "https://weir.example" }));
  expect(one).toContain("[FIRING] hot: d0 north");
  expect(one).toContain("&lt;!channel&gt;");
  expect(one).not.toContain("<!channel>");
  const many = slackMessage(messageOf(100), { link: undefined, text: "x".repeat(5_000) });
  const [{ blocks } = { blocks: [] }] = many.attachments as { blocks: { text?: { text: string } }[] }[];
  expect(blocks.length).toBeLessThanOrEqual(50);
  expect(blocks.every(({ text }) => (text?.text.length ?? 0) <= 3_000)).toBe(true);
  expect(JSON.stringify(blocks)).toContain("and 60 more");
  expect(many.text).toBe("[100 FIRING] north");
});

test("a Teams message is an Adaptive Card of less than 28 KB", () => {
  const card = teamsMessage(messageOf(100), {
    link: "https://weir.example",
    title: "{{ device }} in {{ site }}: {{ value }}",
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
