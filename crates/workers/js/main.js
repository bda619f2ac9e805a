/**
 * The built-ins of a Worker: imported once in every isolate, before the Worker's own modules. Installs the globals and
 * exports the ways in (`Entries` in `host.d.ts`).
 */
import host from "./host_object.js";
import { abortSignal } from "./abort.js";
import { scheduled, tail } from "./background_events.js";
import { makeEnv } from "./bindings.js";
import { callHandler, defaultHandlers, entrypoints, loadMainModule } from "./entrypoints.js";
import { rejected } from "./global_target.js";
import "./globals.js";
import { fail, whenSettled } from "./handler.js";
import { listAppend, listGet } from "./headers.js";
import { begin, complete, enter, forget, register, registered, settle } from "./invocation.js";
import { nodeBridge, setCompatibility } from "./node_bridge.js";
import { Error, TypeError, arraySlice, jsonParse, toLowerCase } from "./primordials.js";
import { pump } from "./pump.js";
import { stateOf } from "./readable_stream.js";
import { incomingRequest } from "./request.js";
import { isResponse, responseState } from "./response.js";
import { rpc } from "./rpc_receiver.js";
import { setDefaultBinaryType, socketState } from "./websocket.js";

/** @typedef {import("./invocation.js").Context} Context */

/** @param {string} mainModule @param {string} bindings @param {string} [compatibility] */
async function start(mainModule, bindings, compatibility) {
  makeEnv(bindings);
  if (compatibility !== undefined) {
    const given = jsonParse(compatibility);
    setCompatibility(given);
    if (given.blobMessages) setDefaultBinaryType("blob");
    // By a name in a variable: the type checker has no such file.
    const globals = "./node_globals.js";
    if (given.node) await import(globals);
  }
  await loadMainModule(mainModule);
  return defaultHandlers();
}

/**
 * @param {Invocation} invocation
 * @param {string} method
 * @param {string} url
 * @param {FlatHeaders} headers
 * @param {BodyId} bodyId
 * @param {boolean} [called]
 * @param {string | undefined} [entrypoint]
 * @param {string | undefined} [props]
 */
function serve(invocation, method, url, headers, bodyId, called = false, entrypoint = undefined, props = undefined) {
  const context = begin(invocation);
  context.called = called;
  context.propsText = props;
  const upgrade = listGet(headers, "upgrade");
  context.wantsSocket = upgrade !== null && toLowerCase(upgrade) === "websocket";
  const request = incomingRequest(context, method, url, headers, bodyId);
  let result;
  try {
    result = callHandler(context, entrypoint, "fetch", request);
    if (isResponse(result)) {
      respond(context, result);
      return;
    }
  } catch (error) {
    fail(context, error);
    return;
  }
  whenSettled(context, result, respondWith);
}

/** @param {Context} context @param {any} response */
function respondWith(context, response) {
  if (!isResponse(response)) {
    throw new TypeError("Incorrect type for Promise: the Promise did not resolve to 'Response'.");
  }
  respond(context, response);
}

/** @param {Context} context @param {import("./response.js").Response} response */
function respond(context, response) {
  const state = responseState(response);
  if (state.type === "error") throw new TypeError("The handler answered with Response.error(), which cannot be sent.");
  const { body, webSocket } = state;
  if (webSocket !== null) {
    if (!context.wantsSocket) {
      throw new TypeError("Worker tried to return WebSocket in a response to a request which did not contain the header \"Upgrade: websocket\".");
    }
    host.respond(context.id, 101, "Switching Protocols", state.list, undefined, socketState(webSocket).give());
    settle(context);
    return;
  }
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
    host.respond(context.id, state.status, state.statusText, state.list, source, undefined, state.encoded);
    settle(context);
    return;
  }
  const native = body.takeNative();
  if (native !== 0) {
    host.respond(context.id, state.status, state.statusText, state.list, native, undefined, state.encoded);
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
  const sink = host.respond(context.id, state.status, state.statusText, list, true, undefined, state.encoded);
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
const entries = { start, entrypoints, fetch: serve, rpc, scheduled, tail, complete, disconnected, forget, rejected };
export default entries;
export { start, entrypoints, serve as fetch, rpc, scheduled, tail, complete, disconnected, forget, rejected, nodeBridge };
