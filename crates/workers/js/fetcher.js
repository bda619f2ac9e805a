/** What `env` has for each service. */
import { fetchThrough } from "./fetch.js";
import { TypeError, promiseReject } from "./primordials.js";
import { connectThrough } from "./sockets.js";
import { INTERNAL, defineInterface, illegalConstructor, requireArguments } from "./webidl.js";

/** What answers `fetch()` and `connect()`: a VPC Service, a VPC Network, or another Worker, which has no `connect()`. */
export class Fetcher {
  /** @type {FetchTarget} */
  #target;

  /** @param {any} key @param {any} target */
  constructor(key = undefined, target = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    this.#target = target;
  }

  /** @param {any} [input] @param {any} [init] */
  fetch(input, init = undefined) {
    const target = this.#target;
    if (arguments.length === 0) return promiseReject(new TypeError("Fetcher.fetch: 1 argument required, but only 0 present."));
    return fetchThrough(target, input, init);
  }

  /** @param {any} address @param {any} [options] */
  connect(address, options = undefined) {
    const target = this.#target;
    requireArguments(arguments.length, 1, "Fetcher.connect");
    return connectThrough(/** @type {any} */ (target), address, options);
  }
}
defineInterface(Fetcher);
