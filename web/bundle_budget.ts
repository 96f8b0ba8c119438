import { gzipSync } from "node:zlib";
import type { Plugin, Rollup } from "vite";

/** Fails the build where the first view, or all files together, are heavier than allowed (gzipped). */
export function bundleBudget(allowed: { firstViewKb: number; allKb: number }): Plugin {
  return {
    name: "bundle-budget",
    apply: "build",
    generateBundle(_options, bundle) {
      const sizes = new Map(Object.entries(bundle).map(([name, file]) => [name, gzippedKb(file)]));
      const first = firstView(bundle);
      const firstKb = sum([...first].map((name) => sizes.get(name) ?? 0));
      const allKb = sum([...sizes.values()]);
      this.info(`first view ${firstKb.toFixed(1)} kB of ${allowed.firstViewKb}, all ${allKb.toFixed(1)} kB of ${allowed.allKb} (gzipped)`);
      if (firstKb > allowed.firstViewKb) this.error(`the first view has ${firstKb.toFixed(1)} kB gzipped, at most ${allowed.firstViewKb} are allowed: load a page or a library lazily`);
      if (allKb > allowed.allKb) this.error(`the dashboard has ${allKb.toFixed(1)} kB gzipped, at most ${allowed.allKb} are allowed`);
    },
  };
}

/** The entry with what it imports at once, its style sheets, and the page that is shown first. */
function firstView(bundle: Rollup.OutputBundle): Set<string> {
  const found = new Set<string>();
  const add = (name: string): void => {
    const file = bundle[name];
    if (file === undefined || found.has(name)) return;
    found.add(name);
    if (file.type === "chunk") file.imports.forEach(add);
  };
  for (const [name, file] of Object.entries(bundle)) {
    if (name.endsWith(".css")) found.add(name);
    if (file.type === "chunk" && (file.isEntry || file.facadeModuleId?.endsWith("/pages/overview.tsx"))) add(name);
  }
  return found;
}

function gzippedKb(file: Rollup.OutputAsset | Rollup.OutputChunk): number {
  return gzipSync(file.type === "chunk" ? file.code : file.source).length / 1000;
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
