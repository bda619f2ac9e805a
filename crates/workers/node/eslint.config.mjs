// Lints the modules of Node.js. Unlike the built-ins of `js/` they may use the language freely: a Worker loads them for itself.
import js from "@eslint/js";

const browser = [
  "AbortController", "AbortSignal", "Blob", "ByteLengthQueuingStrategy", "CountQueuingStrategy", "CryptoKey", "File", "Headers", "ReadableStream",
  "Response", "TextDecoder", "TextEncoder", "URL", "WritableStream", "clearTimeout", "console", "crypto", "fetch", "performance", "queueMicrotask",
  "setTimeout",
];
export default [
  { ignores: ["**/dist/**", "**/*.d.ts"] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2025, sourceType: "module", globals: Object.fromEntries([...browser, "globalThis"].map((name) => [name, "readonly"])) },
    rules: { "no-var": "error", "prefer-const": "error", "no-unused-vars": ["error", { caughtErrors: "none", argsIgnorePattern: "^_" }], "no-control-regex": "off" },
  },
];
