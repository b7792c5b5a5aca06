import { fileURLToPath } from "node:url";
import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

const GATEWAY = process.env.WEIR_DEV_GATEWAY ?? "http://127.0.0.1:8080";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  plugins: [preact({ reactAliasesEnabled: false })],
  build: {
    outDir: fileURLToPath(new URL("../dist/dashboard", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  // `npx vite dashboard` serves the page with hot reload, in front of a running gateway or the mock gateway.
  server: {
    proxy: {
      "/feed": { target: GATEWAY, ws: true },
      "/api": GATEWAY,
      "/readyz": GATEWAY,
    },
  },
});
