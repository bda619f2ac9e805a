import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// In development the API is another program, such as that of `npm run world`.
const api = process.env.CULVERT_API ?? "http://127.0.0.1:8788";

/** Leaves `x.br` and `x.gz` beside every file that is worth it, so that the program never compresses. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async writeBundle({ dir }, bundle) {
      const names = Object.keys(bundle).filter((name) => /\.(css|html|js|md)$/.test(name));
      await Promise.all(names.map(async (name) => {
        const path = join(dir ?? "dist", name);
        const content = await readFile(path);
        if (content.length < 1024) return;
        await writeFile(`${path}.br`, await promisify(brotliCompress)(content));
        await writeFile(`${path}.gz`, await promisify(gzip)(content, { level: 9 }));
      }));
    },
  };
}

const proxy = { "/client/v4": { target: api, ws: true } };

export default defineConfig({
  plugins: [react(), compressed()],
  build: {
    target: "es2022",
    // These know light-dark(), in which every colour is written once for both themes.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // Everything in files of their own: the Content-Security-Policy allows nothing inline.
    assetsInlineLimit: 0,
    // The licences of what is in the bundle go with it.
    license: { fileName: "licences.md" },
    modulePreload: { polyfill: false },
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  server: { host: "127.0.0.1", proxy },
  preview: { host: "127.0.0.1", proxy },
});
