// How the pages are built and their unit tests run. The output is embedded in the hub's binary, which serves it under a
// policy that forbids inline scripts and styles: nothing may be inlined here.
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Most bytes of all pages, packed. */
const MAX_PACKED_BYTES = 250_000;

/** Writes `NAME.gz` beside every text of the output, so that the hub never compresses. */
function compressed(): Plugin {
  return {
    name: "gantry:gzip",
    apply: "build",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        let total = 0;
        for (const [name, part] of Object.entries(bundle)) {
          const source = part.type === "chunk" ? part.code : part.source;
          if (/\.(js|css|svg)$/.test(name) && source.length > 1024) {
            const packed = gzipSync(source, { level: 9 });
            total += packed.length;
            this.emitFile({ type: "asset", fileName: `${name}.gz`, source: packed });
          }
        }
        if (total > MAX_PACKED_BYTES) {
          this.error(`the pages have ${total} bytes packed, at most ${MAX_PACKED_BYTES}: leave something out`);
        }
      },
    },
  };
}

export default defineConfig({
  plugins: [react(), compressed()],
  build: {
    target: ["chrome125", "firefox125", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    outDir: process.env["GANTRY_WEB_OUT"] ?? "build",
    emptyOutDir: true,
    reportCompressedSize: true,
  },
  server: { proxy: { "/api": process.env["GANTRY_HUB"] ?? "http://127.0.0.1:4711" } },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"] },
});
