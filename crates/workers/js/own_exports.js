/** `ctx.exports`: the Worker's own entrypoints, bound as another Worker's would be. */
import { entrypoints } from "./entrypoints.js";
import { TypeError, apply, create, defineProperty, getPrototypeOf, jsonStringify, reflectGet, Proxy } from "./primordials.js";
import { serviceBinding } from "./service_binding.js";

/** @type {Record<string, any> | undefined} */
let exported;

/** One binding for each entrypoint; calling it gives one with `props` of its own. */
export function ownExports() {
  if (exported !== undefined) return exported;
  exported = /** @type {Record<string, any>} */ (create(null));
  const list = entrypoints();
  for (let i = 0; i < list.length; i++) {
    const name = /** @type {string} */ (/** @type {string[]} */ (list[i])[0]);
    defineProperty(exported, name, { value: ownBinding(name === "default" ? "" : name), enumerable: true });
  }
  return exported;
}

/** @param {string} name */
function ownBinding(name) {
  const plain = serviceBinding([name]);
  /** @param {any} options */
  const withProps = (options) => {
    const props = jsonStringify(options?.props ?? {});
    if (props === undefined) throw new TypeError("ctx.exports: 'props' cannot be serialized to JSON.");
    return serviceBinding([name, props]);
  };
  return new Proxy(withProps, {
    get: (_, key) => reflectGet(plain, key, plain),
    apply: (target, self, given) => apply(target, self, given),
    getPrototypeOf: () => getPrototypeOf(plain),
  });
}
