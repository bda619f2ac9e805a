/** Calls that come from other Workers: what they may reach of an entrypoint, and how they are answered. */
import { env } from "./bindings.js";
import { entrypointOf } from "./entrypoints.js";
import { fail, whenSettled } from "./handler.js";
import host from "./host_object.js";
import { begin, settle } from "./invocation.js";
import { ObjectPrototype, TypeError, apply, getOwnPropertyDescriptor, getPrototypeOf, hasOwn } from "./primordials.js";
import { deserialize, serialize } from "./serialized_value.js";
import { isObject } from "./webidl.js";
import { WorkerEntrypoint } from "./worker_entrypoint.js";

/** @typedef {import("./invocation.js").Context} Context */

/**
 * `Entries.rpc`.
 * @param {Invocation} invocation
 * @param {string[]} path
 * @param {Uint8Array | undefined} value the list of arguments; undefined when the property is read
 * @param {BodyId[]} streams
 * @param {string | undefined} entrypoint
 * @param {string | undefined} props
 */
export function rpc(invocation, path, value, streams, entrypoint, props) {
  const context = begin(invocation);
  context.called = true;
  context.propsText = props;
  let result;
  try {
    const given = value === undefined ? undefined : deserialize(value, streams);
    result = use(entrypointOf(context, entrypoint), path, given);
  } catch (error) {
    fail(context, error);
    return;
  }
  whenSettled(context, result, giveAnswer);
}

/** @param {ReturnType<typeof entrypointOf>} receiver @param {string[]} path @param {any[] | undefined} given */
function use(receiver, path, given) {
  const { target, isClass, ctx } = receiver;
  const first = /** @type {string} */ (path[0]);
  let parent = target;
  let value = isClass ? methodOf(target, first) : propertyOf(target, first);
  for (let i = 1; i < path.length; i++) {
    parent = value;
    value = propertyOf(parent, /** @type {string} */ (path[i]));
  }
  if (given === undefined) return value;
  if (typeof value !== "function") throw new TypeError(`"${path[path.length - 1]}" is not a function.`);
  if (isClass || path.length > 1) return apply(value, parent, given);
  if (given.length > 1) {
    throw new TypeError(
      `"${first}" is a method of an object, which gets (argument, env, ctx): it can be called with one argument only. Export a class that extends WorkerEntrypoint for more.`,
    );
  }
  return apply(value, parent, [given[0], env, ctx]);
}

/** What the class of an entrypoint has under a name; what the instance itself has is private. @param {any} instance @param {string} name */
function methodOf(instance, name) {
  for (let at = getPrototypeOf(instance); at !== null && at !== WorkerEntrypoint.prototype; at = getPrototypeOf(at)) {
    if (name !== "constructor" && hasOwn(at, name)) {
      const descriptor = /** @type {PropertyDescriptor} */ (getOwnPropertyDescriptor(at, name));
      return descriptor.get === undefined ? descriptor.value : apply(descriptor.get, instance, []);
    }
  }
  return missing(name);
}

/** @param {any} object @param {string} name */
function propertyOf(object, name) {
  if (isObject(object) && typeof object !== "function" && object !== ObjectPrototype && hasOwn(object, name)) return object[name];
  return missing(name);
}

/** @param {string} name @returns {never} */
function missing(name) {
  throw new TypeError(`The RPC receiver does not implement the method "${name}".`);
}

/** @param {Context} context @param {any} value */
function giveAnswer(context, value) {
  const message = serialize(value);
  const sinks = host.answer(context.id, message.bytes, message.streams);
  context.waiting += message.writes;
  message.write(sinks, () => settle(context));
  settle(context);
}
