/** `env`: what a Worker is bound to. */
import { Fetcher } from "./fetcher.js";
import { TypeError, defineProperty, jsonParse } from "./primordials.js";
import { serviceBinding } from "./service_binding.js";
import { INTERNAL } from "./webidl.js";

/** What a Worker gets as its `env`, one object for the whole isolate. @type {Record<string, any>} */
export const env = {};

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
    case "service":
      return serviceBinding(binding.name);
    case "version_metadata":
      return { id: binding.id, tag: binding.tag, timestamp: binding.timestamp };
    default:
      throw new TypeError(`The binding ${binding.name} has the type ${binding.type}, which this runtime does not know.`);
  }
}
