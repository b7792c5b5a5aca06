import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { SecretError } from "../../platform/files/secret-values.ts";
import { signingKeys, webhookHeaders } from "./signature.ts";

const SECRET = `whsec_${Buffer.from("0123456789abcdef0123456789abcdef").toString("base64")}`;

test("signs as Standard Webhooks specifies: id, time and body", () => {
  // The example of the specification's own libraries.
  const keys = signingKeys("ops", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  const body = '{"test": 2432232314}';
  const headers = webhookHeaders({ id: "msg_p5jXN8AQM9LWM0D4loKWxJek", sentAtSeconds: 1614265330, body, keys });
  expect(headers).toEqual({
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  });
});

test("agrees with openssl, and signs with both keys while a secret is rotated", () => {
  const [a, b] = [SECRET, `whsec_${Buffer.alloc(24, 7).toString("base64")}`];
  const headers = webhookHeaders({ id: "m", sentAtSeconds: 5, body: "{}", keys: signingKeys("ops", `${a} ${b}`) });
  const mac = execFileSync(
    "openssl",
    ["dgst", "-sha256", "-mac", "HMAC", "-macopt", `hexkey:${"07".repeat(24)}`, "-binary"],
    {
      input: "m.5.{}",
    },
  );
  const signatures = headers["webhook-signature"]?.split(" ");
  expect(signatures).toHaveLength(2);
  expect(signatures?.[1]).toBe(`v1,${mac.toString("base64")}`);
});

test.each(["secret", "whsec_", "whsec_!!!!", `whsec_${Buffer.alloc(10).toString("base64")}`])(
  "refuses %s and explains how to create one",
  (text) => {
    expect(() => signingKeys("ops.webhook", text)).toThrow(SecretError);
    expect(() => signingKeys("ops.webhook", text)).toThrow(/openssl rand/);
  },
);
