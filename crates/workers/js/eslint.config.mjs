// Lints the built-ins. They share their realm with a Worker, which may patch every prototype: what looks up a patched
// method or iterator at run time is refused here, and must come from primordials.js.
import js from "@eslint/js";

const CAPTURED = [
  "Array",
  "ArrayBuffer",
  "BigInt",
  "Boolean",
  "DataView",
  "Date",
  "Error",
  "Function",
  "JSON",
  "Map",
  "Math",
  "Number",
  "Object",
  "Promise",
  "RangeError",
  "Reflect",
  "RegExp",
  "Set",
  "String",
  "TypeError",
  "Uint8Array",
  "WeakMap",
  "WeakRef",
  "WeakSet",
];
const METHODS =
  "/^(?:at|charCodeAt|concat|endsWith|entries|every|exec|fill|filter|find|findIndex|flat|flatMap|includes|indexOf|join|lastIndexOf|map|match|matchAll|padEnd|padStart|pop|reduce|repeat|replace|replaceAll|reverse|slice|some|sort|splice|split|startsWith|substring|subarray|then|toLowerCase|toUpperCase|trim|unshift)$/";

export default [
  { ignores: ["**/*.d.ts"] },
  js.configs.recommended,
  {
    files: ["**/*.js"],
    languageOptions: { ecmaVersion: 2025, sourceType: "module", globals: { globalThis: "readonly", WebAssembly: "readonly" } },
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-unused-vars": ["error", { caughtErrors: "none" }],
      "no-eval": "error",
      "no-implied-eval": "error",
    },
  },
  {
    files: ["**/*.js"],
    ignores: ["**/tests/**", "**/primordials.js"],
    rules: {
      "no-restricted-globals": ["error", ...CAPTURED.map((name) => ({ name, message: "Import it from ./primordials.js." }))],
      "no-restricted-syntax": [
        "error",
        { selector: "ForOfStatement", message: "It looks up Symbol.iterator, which a Worker may have patched." },
        { selector: "ForInStatement", message: "It walks prototypes, which a Worker may have patched." },
        { selector: "SpreadElement:not(ObjectExpression > SpreadElement)", message: "It looks up Symbol.iterator, which a Worker may have patched." },
        { selector: "ArrayPattern", message: "It looks up Symbol.iterator, which a Worker may have patched." },
        { selector: "YieldExpression", message: "Generators have a prototype that a Worker may have patched." },
        { selector: `CallExpression > MemberExpression.callee[property.name=${METHODS}]`, message: "Take the method from ./primordials.js." },
      ],
    },
  },
  {
    files: ["**/tests/**"],
    languageOptions: {
      globals: Object.fromEntries(
        [...Object.getOwnPropertyNames(globalThis), "FixedLengthStream", "IdentityTransformStream", "navigator", "reportError", "scheduler", "self"].map((name) => [name, "readonly"]),
      ),
    },
  },
];
