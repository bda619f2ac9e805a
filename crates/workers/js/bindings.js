/** `env`: what a Worker is bound to. */
import { fetchThrough } from "./fetch.js";
import { TypeError, defineProperty, jsonParse, promiseReject } from "./primordials.js";
import { connectThrough } from "./sockets.js";
import { INTERNAL, defineInterface, illegalConstructor, requireArguments } from "./webidl.js";

/** What a Worker gets as its `env`, one object for the whole isolate. @type {Record<string, any>} */
export const env = {};

/** What answers `fetch()` and `connect()`: a VPC Service or a VPC Network. */
export class Fetcher {
  /** The name of the binding. @type {string} */
  #name;

  /** @param {any} key @param {any} name */
  constructor(key = undefined, name = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    this.#name = name;
  }

  /** @param {any} input @param {any} [init] */
  fetch(input, init = undefined) {
    const name = this.#name;
    if (arguments.length === 0) return promiseReject(new TypeError("Fetcher.fetch: 1 argument required, but only 0 present."));
    return fetchThrough(name, input, init);
  }

  /** @param {any} address @param {any} [options] */
  connect(address, options = undefined) {
    const name = this.#name;
    requireArguments(arguments.length, 1, "Fetcher.connect");
    return connectThrough(name, address, options);
  }
}
defineInterface(Fetcher);

/**
 * Fills `env`.
 * @param {string} bindings JSON, as `Entries.start` gets it
 */
export function makeEnv(bindings) {
  const list = jsonParse(bindings);
  for (let i = 0; i < list.length; i++) {
    const binding = list[i];
    defineProperty(env, binding.name, { value: valueOf(binding), writable: true, enumerable: true, configurable: true });
  }
}

/** @param {any} binding */
function valueOf(binding) {
  switch (binding.type) {
    case "plain_text":
    case "secret_text":
      return binding.text;
    case "json":
      return binding.json;
    case "vpc_network":
    case "vpc_service":
      return new Fetcher(INTERNAL, binding.name);
    default:
      throw new TypeError(`The binding ${binding.name} has the type ${binding.type}, which this runtime does not know.`);
  }
}
