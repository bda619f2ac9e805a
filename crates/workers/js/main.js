/**
 * The built-ins of a Worker: imported once in every isolate, before the Worker's own modules. Installs the globals and
 * exports the ways in (`Entries` in `host.d.ts`).
 */
import host from "./host_object.js";
import { abortSignal } from "./abort.js";
import { env, makeEnv } from "./bindings.js";
import { ExecutionContext } from "./execution_context.js";
import "./globals.js";
import { listAppend, listGet } from "./headers.js";
import { begin, complete, currentContext, enter, forget, register, registered, settle } from "./invocation.js";
import { Error, TypeError, arraySlice } from "./primordials.js";
import { pump } from "./pump.js";
import { stateOf } from "./readable_stream.js";
import { incomingRequest } from "./request.js";
import { isResponse, responseState } from "./response.js";
import { INTERNAL, isObject } from "./webidl.js";
import { isEntrypointClass } from "./worker_entrypoint.js";

/** @typedef {import("./invocation.js").Context} Context */

const HANDLERS = ["fetch", "scheduled", "queue", "tail", "email", "test"];

/** The default export, and whether it is a class to be made anew for each invocation. @type {any} */
let entrypoint;
let isClass = false;

/** @param {string} mainModule @param {string} bindings */
async function start(mainModule, bindings) {
  makeEnv(bindings);
  const namespace = /** @type {any} */ (await host.importModule(mainModule));
  entrypoint = namespace.default;
  isClass = isEntrypointClass(entrypoint);
  /** @type {string[]} */
  const names = [];
  if (!isObject(entrypoint)) return names;
  const target = isClass ? entrypoint.prototype : entrypoint;
  for (let i = 0; i < HANDLERS.length; i++) {
    const name = /** @type {string} */ (HANDLERS[i]);
    if (typeof target[name] === "function") names[names.length] = name;
  }
  return names;
}

/**
 * @param {Invocation} invocation
 * @param {string} method
 * @param {string} url
 * @param {FlatHeaders} headers
 * @param {BodyId} bodyId
 */
function serve(invocation, method, url, headers, bodyId) {
  const context = begin(invocation);
  const request = incomingRequest(context, method, url, headers, bodyId);
  const ctx = new ExecutionContext(INTERNAL, context);
  let result;
  try {
    if (isClass) {
      const instance = new entrypoint(ctx, env);
      requireHandler(instance);
      result = instance.fetch(request);
    } else {
      requireHandler(entrypoint);
      result = entrypoint.fetch(request, env, ctx);
    }
    if (isResponse(result)) {
      respond(context, result);
      return;
    }
  } catch (error) {
    fail(context, error);
    return;
  }
  settled(context, result);
}

/** @param {any} target */
function requireHandler(target) {
  if (!isObject(target) || typeof target.fetch !== "function") throw new TypeError("Handler does not export a fetch() function.");
}

/** @param {Context} context @param {any} result what the handler gave: a promise, or wrong */
async function settled(context, result) {
  let response;
  try {
    response = await result;
    if (!isResponse(response)) {
      throw new TypeError("Incorrect type for Promise: the Promise did not resolve to 'Response'.");
    }
  } catch (error) {
    fail(context, error);
    return;
  }
  // The promise may have been settled by code of another invocation, whose microtasks go on afterwards.
  const running = currentContext;
  enter(context);
  try {
    respond(context, response);
  } catch (error) {
    fail(context, error);
  }
  enter(running);
}

/** @param {Context} context @param {unknown} error */
function fail(context, error) {
  host.fail(context.id, error);
  settle(context);
}

/** @param {Context} context @param {import("./response.js").Response} response */
function respond(context, response) {
  const state = responseState(response);
  if (state.type === "error") throw new TypeError("The handler answered with Response.error(), which cannot be sent.");
  const { body } = state;
  if (body === null) {
    host.respond(context.id, state.status, state.statusText, state.list, undefined);
    settle(context);
    return;
  }
  const error = body.unusable;
  if (error !== undefined) throw error;
  if (body.source !== undefined) {
    const { source } = body;
    body.markUsed();
    host.respond(context.id, state.status, state.statusText, state.list, source);
    settle(context);
    return;
  }
  const native = body.takeNative();
  if (native !== 0) {
    host.respond(context.id, state.status, state.statusText, state.list, native);
    settle(context);
    return;
  }
  if (body.aborted !== undefined) throw body.aborted.reason;
  const stream = stateOf(body.stream);
  let { list } = state;
  if (stream.fixedLength !== undefined && listGet(list, "content-length") === null) {
    list = arraySlice(list);
    listAppend(list, "content-length", `${stream.fixedLength}`);
  }
  const sink = host.respond(context.id, state.status, state.statusText, list, true);
  let over = false;
  const stop = pump(stream, sink, () => {
    over = true;
    context.stopBody = undefined;
    settle(context);
  });
  // It is over at once when the stream had ended before.
  if (over) return;
  context.stopBody = stop;
  register(context);
}

/** @param {Invocation} invocation */
function disconnected(invocation) {
  const context = registered(invocation);
  if (context === undefined) return false;
  enter(context);
  if (context.signal !== undefined) abortSignal(context.signal, undefined);
  context.stopBody?.(new Error("Network connection lost: the visitor stopped reading the response."));
  return context.background > 0;
}

/** @type {Entries} */
const entries = { start, fetch: serve, complete, disconnected, forget };
export default entries;
export { start, serve as fetch, complete, disconnected, forget };
