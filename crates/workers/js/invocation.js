/**
 * Which invocation runs, what it waits for, and who owns what: an I/O object belongs to the invocation that made it.
 * Every entry from the runtime belongs to exactly one invocation; the microtasks after it do too.
 */
import { currentFrame, enterFrame } from "./async_context.js";
import { DOMException } from "./dom_exception.js";
import host from "./host_object.js";
import {
  Error,
  Map,
  RangeError,
  TypeError,
  defineProperty,
  hasOwn,
  jsonParse,
  mapDelete,
  mapForEach,
  mapGet,
  mapSet,
  newPromise,
  objectKeys,
} from "./primordials.js";

/** What is known of one invocation. */
export class Context {
  /** @type {Invocation} */
  id;
  /** Operations that have not ended. */
  operations = 0;
  /** What keeps it from being done: the response, its body, `waitUntil` promises. */
  waiting = 1;
  /** How many of these are `waitUntil` promises. */
  background = 0;
  /** Of `request.signal`, when someone asked for it. @type {import("./abort.js").AbortSignal | undefined} */
  signal = undefined;
  registered = false;
  /** Stops the response's body that JavaScript writes. @type {((reason: any) => void) | undefined} */
  stopBody = undefined;
  /** `props` of `ctx`, or the JSON that they come as. @type {any} */
  props = undefined;
  /** @type {string | undefined} */
  propsText = undefined;
  /** Whether another Worker began it, and is to be told what is thrown. */
  called = false;
  /** What is done when nothing is waited for any more. @type {(() => void) | undefined} */
  last = undefined;
  /** Whether its request asks for a WebSocket. */
  wantsSocket = false;

  /** @param {Invocation} id */
  constructor(id) {
    this.id = id;
  }
}

const startUp = new Context(0);
/** Those that must hear of the visitor's leaving. @type {Map<Invocation, Context>} */
const contexts = new Map();

/** The invocation whose code runs now; 0 at start-up. */
export let current = 0;
/** The same, with what is known of it. */
export let currentContext = startUp;

/** A new invocation begins. @param {Invocation} invocation */
export function begin(invocation) {
  const context = new Context(invocation);
  current = invocation;
  currentContext = context;
  return context;
}

/** Code of this invocation runs from now on. @param {Context} context */
export function enter(context) {
  current = context.id;
  currentContext = context;
}

/** It has something that outlives its visitor, or wants to hear of his leaving. @param {Context} context */
export function register(context) {
  context.registered = true;
  mapSet(contexts, context.id, context);
}

/** @param {Invocation} invocation */
export function registered(invocation) {
  return mapGet(contexts, invocation);
}

/** One thing less that the invocation waits for; with the last one it is done. @param {Context} context */
export function settle(context) {
  context.waiting -= 1;
  if (context.waiting > 0) return;
  if (context.registered) mapDelete(contexts, context.id);
  context.last?.();
  if (context.operations > 0) forgetOperations(context);
  host.done(context.id);
}

/** @param {Context} context */
function forgetOperations(context) {
  /** @type {Operation[]} */
  const left = [];
  mapForEach(pending, (waiting, operation) => {
    if (waiting.context === context) left[left.length] = operation;
  });
  for (let i = 0; i < left.length; i++) mapDelete(pending, /** @type {Operation} */ (left[i]));
  context.operations = 0;
}

/** `Entries.forget`. @param {Operation[]} operations @param {Invocation | undefined} invocation */
export function forget(operations, invocation) {
  for (let i = 0; i < operations.length; i++) mapDelete(pending, /** @type {Operation} */ (operations[i]));
  if (invocation !== undefined) mapDelete(contexts, invocation);
}

/**
 * Refuses the use of an I/O object by another invocation than its own.
 * @param {Invocation} owner
 */
export function checkOwner(owner) {
  if (owner !== current) {
    throw new Error(
      "Cannot perform I/O on behalf of a different request. I/O objects (such as streams, request/response bodies, and " +
        "others) created in the context of one request handler cannot be accessed from a different request's handler. " +
        "This is a limitation of Cloudflare Workers which allows us to improve overall performance.",
    );
  }
}

/** Refuses what only a handler may do. */
export function requireInvocation() {
  if (current === 0) {
    throw new Error(
      "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or connect()), setting a timeout, " +
        "and generating random values are not allowed within global scope. To fix this error, perform this operation " +
        "within a handler. https://developers.cloudflare.com/workers/runtime-apis/handlers/",
    );
  }
}

// === operations ===

/**
 * @typedef {object} Pending what waits for an operation
 * @property {Context} context
 * @property {(value: any) => void} resolve
 * @property {(reason: any) => void} reject
 * @property {object | undefined} frame the asynchronous context in which it was begun
 */

/** @type {Map<Operation, Pending>} */
const pending = new Map();

/**
 * @param {Operation} operation
 * @param {(value: any) => void} resolve
 * @param {(reason: any) => void} reject gets the Error that the host's description makes
 */
export function onComplete(operation, resolve, reject) {
  currentContext.operations += 1;
  mapSet(pending, operation, { context: currentContext, resolve, reject, frame: currentFrame() });
}

/** @param {Operation} operation @returns {Promise<any>} */
export function promiseOf(operation) {
  const { promise, resolve, reject } = newPromise();
  onComplete(operation, resolve, reject);
  return promise;
}

/** Gives an operation up. @param {Operation} operation */
export function cancelOperation(operation) {
  const waiting = mapGet(pending, operation);
  if (waiting === undefined) return;
  mapDelete(pending, operation);
  waiting.context.operations -= 1;
  host.cancel(operation);
}

/** `Entries.complete`. @param {Operation} operation @param {boolean} ok @param {unknown} value */
export function complete(operation, ok, value) {
  const waiting = mapGet(pending, operation);
  if (waiting === undefined) return;
  mapDelete(pending, operation);
  waiting.context.operations -= 1;
  enter(waiting.context);
  if (waiting.frame !== undefined) enterFrame(waiting.frame);
  if (ok) waiting.resolve(value);
  else waiting.reject(errorOf(/** @type {any} */ (value)));
}

/**
 * The Error that a HostError describes.
 * @param {HostError} description
 */
export function errorOf(description) {
  const { name, message, connection } = description;
  if (connection !== undefined && connection !== null) return connectionError(message, connection);
  if (name === "TypeError") return new TypeError(message);
  if (name === "RangeError") return new RangeError(message);
  if (name === "Error") return new Error(message);
  return new DOMException(message, name);
}

/**
 * A failed connection, as Workers VPC shows it: `Error: ProxyError: <code>`, with the facts beside.
 * @param {string} message
 * @param {string} json the fields of a ConnectionError
 */
function connectionError(message, json) {
  const fields = jsonParse(json);
  const error = new Error(fields.code === undefined ? message : `ProxyError: ${fields.code}`);
  const names = objectKeys(fields);
  for (let i = 0; i < names.length; i++) {
    const name = /** @type {string} */ (names[i]);
    if (name === "message" || name === "stack" || !hasOwn(fields, name)) continue;
    defineProperty(error, name, { value: fields[name], writable: true, enumerable: true, configurable: true });
  }
  return error;
}

/** Told of exceptions that nobody can catch; says whether it has dealt with one. @type {(error: any) => boolean} */
let exceptionListener = () => false;
let listening = false;
/** @param {typeof exceptionListener} listener */
export function setExceptionListener(listener) {
  exceptionListener = listener;
}

/**
 * An exception that nobody can catch: recorded with the invocation, which goes on.
 * @param {unknown} error
 */
export function reportException(error) {
  // What a listener throws does not come back to it.
  if (!listening) {
    listening = true;
    const handled = exceptionListener(error);
    listening = false;
    if (handled) return;
  }
  host.reportError(current, error);
}
