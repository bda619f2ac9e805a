// The rows of the crate `connection-error`, read from its source: the mock has no words of its own.

import { readFileSync } from "node:fs";

const SOURCE = new URL("../../../crates/connection-error/src/rows.rs", import.meta.url);

const snake = (name) => name.replace(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
const CATEGORY = { BadUpstream: "Bad Upstream", Client: "Client", Internal: "Internal" };

export function errorRows() {
  const text = readFileSync(SOURCE, "utf8");
  const row = /Row \{\s*code: ErrorCode::(\w+),\s*category: Category::(\w+),\s*phases: &\[([^\]]*)\],\s*meaning: "((?:[^"\\]|\\.)*)",\s*fix: "((?:[^"\\]|\\.)*)",/g;
  return [...text.matchAll(row)].map(([, code, category, phases, meaning, fix]) => ({
    code: snake(code), category: CATEGORY[category], phases: phases.split(",").map((phase) => snake(phase.trim().replace("Phase::", ""))).filter(Boolean), meaning, fix, status: 502,
  }));
}
