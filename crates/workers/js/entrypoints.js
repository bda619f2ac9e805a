/** The exports of the main module that requests and calls go to: the default one, and those that bindings name. */
import { env } from "./bindings.js";
import { ExecutionContext } from "./execution_context.js";
import host from "./host_object.js";
import { TypeError, hasOwn, objectKeys } from "./primordials.js";
import { INTERNAL, isObject } from "./webidl.js";
import { isEntrypointClass } from "./worker_entrypoint.js";

/** @typedef {import("./invocation.js").Context} Context */

const HANDLERS = ["fetch", "scheduled", "queue", "tail", "email", "test"];

/** The main module. @type {any} */
let mainModule;

/** @param {string} specifier */
export async function loadMainModule(specifier) {
  mainModule = await host.importModule(specifier);
}

/** The handlers that an export has. @param {any} value */
export function handlersOf(value) {
  /** @type {string[]} */
  const names = [];
  if (!isObject(value)) return names;
  const target = isEntrypointClass(value) ? value.prototype : value;
  for (let i = 0; i < HANDLERS.length; i++) {
    const name = /** @type {string} */ (HANDLERS[i]);
    if (typeof target[name] === "function") names[names.length] = name;
  }
  return names;
}

/** What the default export has. */
export function defaultHandlers() {
  return handlersOf(mainModule.default);
}

/** Each export that can be an entrypoint: its name, then its handlers. @returns {string[][]} */
export function entrypoints() {
  /** @type {string[][]} */
  const found = [];
  const names = objectKeys(mainModule);
  for (let i = 0; i < names.length; i++) {
    const name = /** @type {string} */ (names[i]);
    const handlers = handlersOf(mainModule[name]);
    if (handlers.length === 0 && !isEntrypointClass(mainModule[name])) continue;
    const entry = [name];
    for (let j = 0; j < handlers.length; j++) entry[j + 1] = /** @type {string} */ (handlers[j]);
    found[found.length] = entry;
  }
  return found;
}

/**
 * An entrypoint for one invocation.
 * @param {Context} context
 * @param {string | undefined} name
 */
export function entrypointOf(context, name) {
  const ctx = new ExecutionContext(INTERNAL, context);
  const key = name ?? "default";
  const value = hasOwn(mainModule, key) ? mainModule[key] : undefined;
  if (isEntrypointClass(value)) return { target: new value(ctx, env), isClass: true, ctx };
  if (name !== undefined && !isObject(value)) throw new TypeError(`The Worker has no entrypoint "${name}".`);
  return { target: value, isClass: false, ctx };
}

/**
 * Calls a handler.
 * @param {Context} context
 * @param {string | undefined} entrypoint
 * @param {"fetch" | "scheduled" | "tail"} handler
 * @param {any} event
 */
export function callHandler(context, entrypoint, handler, event) {
  const { target, isClass, ctx } = entrypointOf(context, entrypoint);
  if (!isObject(target) || typeof target[handler] !== "function") {
    throw new TypeError(`Handler does not export a ${handler}() function.`);
  }
  return isClass ? target[handler](event) : target[handler](event, env, ctx);
}
