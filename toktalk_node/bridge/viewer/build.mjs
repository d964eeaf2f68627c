// npm run build: bundles src/ into dist/, which is part of the package, so that users need no Node.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const read = (path) => readFileSync(new URL(path, import.meta.url));
const licence = (name) => read(`node_modules/${name}/LICENSE`);

for (const name of readdirSync(new URL("dist", import.meta.url))) rmSync(new URL(`dist/${name}`, import.meta.url));
await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ["toktalk-face", "wire", "page", "kiosk"].map((name) => `src/${name}.js`),
  outdir: "dist",
  bundle: true,
  splitting: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  chunkNames: "[name]-[hash]",
});
const libraries = ["three", "@pixiv/three-vrm", "@msgpack/msgpack"];
writeFileSync(
  new URL("dist/LICENSES.txt", import.meta.url),
  [read("src/licenses.txt"), ...libraries.map((name) => `---- ${name}\n${licence(name)}`)].join("\n"),
);
// a test compares this with the sources: what is served is what they say
const sources = readdirSync(new URL("src", import.meta.url)).sort();
const hash = createHash("sha256");
for (const name of [...sources.map((name) => `src/${name}`), "package-lock.json", "build.mjs"]) hash.update(read(name));
writeFileSync(new URL("dist/sources.sha256", import.meta.url), `${hash.digest("hex")}\n`);
