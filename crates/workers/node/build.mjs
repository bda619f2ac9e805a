/**
 * Makes the modules of Node.js that Workers import with the flag `nodejs_compat`: `node crates/workers/node/build.mjs`. Each becomes a file in
 * `dist/`, with what they share in files beside it; `crates/workers/build.rs` puts them into the program. The names of the files there are
 * flat: `node:path/posix` is `node_path_posix.js`.
 */
import { rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { MODULES, UNENV } from "./modules.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const fileOf = (name) => `node_${name.replaceAll("/", "_")}`;

/** Imports of Node's modules, in our files and in packages, are of the files here. */
const names = {
  name: "names",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/(main|cloudflare_sockets)\.js$/ }, ({ path }) => ({ path, external: true }));
    onResolve({ filter: /^entry:/ }, ({ path }) => ({ path: path.slice("entry:".length), namespace: "entry" }));
    onLoad({ filter: /.*/, namespace: "entry" }, ({ path: name }) => {
      const from = JSON.stringify(UNENV.includes(name) ? `unenv/node/${name}` : `./${name.replaceAll("/", "_")}.js`);
      return {
        contents: `import { loaded } from "./registry.js"; import module from ${from}; loaded.set(${JSON.stringify(name)}, module); export * from ${from}; export default module;`,
        resolveDir: source,
      };
    });
    onResolve({ filter: /^(node:)?[\w/-]+\/?$/ }, ({ path, kind }) => {
      if (kind === "entry-point") return undefined;
      const name = path.replace(/^node:/, "").replace(/\/$/, "");
      // As packages name it, before `process.js` is there.
      if (path === "process/") return { path: join(source, "internal_process.js") };
      if (UNENV.includes(name)) return path.startsWith("node:") ? { path: join(here, "../../../node_modules/unenv/dist/runtime/node", `${name}.mjs`) } : undefined;
      if (MODULES.includes(name) && name !== "punycode") return { path: join(source, `${name.replaceAll("/", "_")}.js`) };
      // Polyfills for what every engine here has.
      if (name === "abort-controller") return { path: join(source, "internal_abort.js") };
      return undefined;
    });
  },
};

await rm(join(here, "dist"), { recursive: true, force: true });
const result = await build({
  entryPoints: [
    ...[...MODULES, ...UNENV].map((name) => ({ in: `entry:${name}`, out: fileOf(name) })),
    { in: join(source, "globals.js"), out: "node_globals" },
    { in: join(source, "cloudflare_node.js"), out: "cloudflare_node" },
  ],
  outdir: join(here, "dist"),
  bundle: true,
  splitting: true,
  format: "esm",
  target: "firefox140",
  chunkNames: "node_shared_[hash]",
  legalComments: "eof",
  keepNames: false,
  minifySyntax: true,
  minifyWhitespace: true,
  plugins: [names],
  logLevel: "warning",
  metafile: true,
});
await writeFile(join(here, "dist/names.txt"), [...MODULES, ...UNENV].sort().map((name) => `${name}\n`).join(""));
const bytes = Object.values(result.metafile.outputs).reduce((sum, { bytes }) => sum + bytes, 0);
console.log(`${MODULES.length + UNENV.length} modules of Node.js, ${Math.round(bytes / 1024)} KiB`);
