/** `node:diagnostics_channel` (https://nodejs.org/api/diagnostics_channel.html): named channels, and what traces an operation over five of them. */
import { invalidArgType, requireFunction } from "./errors.js";

/** Channels that nobody holds any more may go. @type {Map<string | symbol, WeakRef<Channel>>} */
const channels = new Map();

/** A subscriber that throws does not disturb who publishes. @param {() => void} code */
function guarded(code) {
  try {
    code();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

export class Channel {
  /** @type {Function[]} */
  #subscribers = [];
  /** Values of `AsyncLocalStorage`s for `runStores`. @type {Map<any, ((data: any) => any) | undefined>} */
  #stores = new Map();

  /** @param {string | symbol} name */
  constructor(name) {
    this.name = name;
    channels.set(name, new WeakRef(this));
  }

  get hasSubscribers() {
    return this.#subscribers.length > 0 || this.#stores.size > 0;
  }

  /** @param {Function} subscriber */
  subscribe(subscriber) {
    requireFunction(subscriber, "subscription");
    this.#subscribers = [...this.#subscribers, subscriber];
    held.add(this);
  }

  /** @param {Function} subscriber */
  unsubscribe(subscriber) {
    const index = this.#subscribers.indexOf(subscriber);
    if (index === -1) return false;
    this.#subscribers = this.#subscribers.filter((_, at) => at !== index);
    if (!this.hasSubscribers) held.delete(this);
    return true;
  }

  /** @param {any} store @param {(data: any) => any} [transform] */
  bindStore(store, transform) {
    this.#stores.set(store, transform);
    held.add(this);
  }

  /** @param {any} store */
  unbindStore(store) {
    const was = this.#stores.delete(store);
    if (!this.hasSubscribers) held.delete(this);
    return was;
  }

  /** @param {any} data */
  publish(data) {
    for (const subscriber of this.#subscribers) guarded(() => subscriber(data, this.name));
  }

  /** Runs code with the bound stores set. @param {any} data @param {Function} code @param {any} [self] @param {any[]} values */
  runStores(data, code, self, ...values) {
    let run = () => {
      this.publish(data);
      return Reflect.apply(code, self, values);
    };
    for (const [store, transform] of this.#stores) {
      const inner = run;
      run = () => {
        let value = data;
        if (transform !== undefined) {
          try {
            value = transform(data);
          } catch (error) {
            queueMicrotask(() => {
              throw error;
            });
            return inner();
          }
        }
        return store.run(value, inner);
      };
    }
    return run();
  }
}
/** Channels with subscribers stay. @type {Set<Channel>} */
const held = new Set();

/** @param {string | symbol} name @returns {Channel} */
export function channel(name) {
  const found = channels.get(name)?.deref();
  if (found !== undefined) return found;
  if (typeof name !== "string" && typeof name !== "symbol") throw invalidArgType("channel", "one of type string or symbol", name);
  return new Channel(name);
}
/** @param {string | symbol} name */
export const hasSubscribers = (name) => channels.get(name)?.deref()?.hasSubscribers ?? false;
/** @param {string | symbol} name @param {Function} subscriber */
export const subscribe = (name, subscriber) => channel(name).subscribe(subscriber);
/** @param {string | symbol} name @param {Function} subscriber */
export const unsubscribe = (name, subscriber) => channel(name).unsubscribe(subscriber);

const EVENTS = /** @type {const} */ (["start", "end", "asyncStart", "asyncEnd", "error"]);

export class TracingChannel {
  /** @type {Channel} */ start;
  /** @type {Channel} */ end;
  /** @type {Channel} */ asyncStart;
  /** @type {Channel} */ asyncEnd;
  /** @type {Channel} */ error;

  /** @param {any} given a name, or the channels */
  constructor(given) {
    const of = (/** @type {string} */ event) => {
      if (typeof given === "string") return channel(`tracing:${given}:${event}`);
      if (given === null || typeof given !== "object") throw invalidArgType("nameOrChannels", "of type string or an instance of TracingChannel or Object", given);
      if (!(given[event] instanceof Channel)) throw invalidArgType(`nameOrChannels.${event}`, "an instance of Channel", given[event]);
      return given[event];
    };
    this.start = of("start");
    this.end = of("end");
    this.asyncStart = of("asyncStart");
    this.asyncEnd = of("asyncEnd");
    this.error = of("error");
  }

  get hasSubscribers() {
    return EVENTS.some((event) => this[event].hasSubscribers);
  }

  /** @param {Record<string, Function>} handlers */
  subscribe(handlers) {
    for (const event of EVENTS) if (handlers[event]) this[event].subscribe(handlers[event]);
  }

  /** @param {Record<string, Function>} handlers */
  unsubscribe(handlers) {
    return EVENTS.filter((event) => handlers[event]).map((event) => this[event].unsubscribe(/** @type {Function} */ (handlers[event]))).every(Boolean);
  }

  /** Runs `code` between `start` and `end`, and tells what it throws. @param {any} context @param {() => any} code */
  #traced(context, code) {
    return this.start.runStores(context, () => {
      try {
        return code();
      } catch (error) {
        context.error = error;
        this.error.publish(context);
        throw error;
      } finally {
        this.end.publish(context);
      }
    });
  }

  /** @param {Function} code @param {any} [context] @param {any} [self] @param {any[]} values */
  traceSync(code, context = {}, self = undefined, ...values) {
    return this.#traced(context, () => (context.result = Reflect.apply(code, self, values)));
  }

  /** @param {Function} code @param {any} [context] @param {any} [self] @param {any[]} values */
  tracePromise(code, context = {}, self = undefined, ...values) {
    const settled = (/** @type {"result" | "error"} */ kind) => (/** @type {any} */ value) => {
      context[kind] = value;
      if (kind === "error") this.error.publish(context);
      this.asyncStart.publish(context);
      this.asyncEnd.publish(context);
      if (kind === "error") throw value;
      return value;
    };
    return this.#traced(context, () => {
      const promise = Reflect.apply(code, self, values);
      return (promise instanceof Promise ? promise : Promise.resolve(promise)).then(settled("result"), settled("error"));
    });
  }

  /** @param {Function} code @param {number} [position] of the callback among the values @param {any} [context] @param {any} [self] @param {any[]} values */
  traceCallback(code, position = -1, context = {}, self = undefined, ...values) {
    const channels = this;
    const callback = values.at(position);
    requireFunction(callback, "callback");
    /** @this {any} @param {any} error @param {any} result @param {any[]} rest */
    function wrapped(error, result, ...rest) {
      if (error) {
        context.error = error;
        channels.error.publish(context);
      } else {
        context.result = result;
      }
      channels.asyncStart.runStores(context, () => {
        try {
          return Reflect.apply(callback, this, [error, result, ...rest]);
        } finally {
          channels.asyncEnd.publish(context);
        }
      });
    }
    values.splice(position, 1, wrapped);
    return this.#traced(context, () => Reflect.apply(code, self, values));
  }
}
/** @param {any} nameOrChannels */
export const tracingChannel = (nameOrChannels) => new TracingChannel(nameOrChannels);

export default { Channel, TracingChannel, channel, hasSubscribers, subscribe, tracingChannel, unsubscribe };
