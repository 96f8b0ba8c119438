import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { bundleBudget } from "./bundle_budget.ts";

const API = process.env["TOUCHLINE_API"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react(), bundleBudget({ firstViewKb: 200, allKb: 350 })],
  build: { outDir: "../src/touchline/api/static", emptyOutDir: true, reportCompressedSize: false },
  server: { port: 5173, strictPort: true, proxy: { "/api": { target: API, changeOrigin: true }, "/projects": { target: API, changeOrigin: true } } },
  test: { include: ["src/**/*.test.ts"] },
});
