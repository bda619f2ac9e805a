/** The events that carry something: MessageEvent, CloseEvent, ErrorEvent, PromiseRejectionEvent. */
import { Event } from "./events.js";
import { TypeError, freeze, promiseResolve } from "./primordials.js";
import { defineInterface, forEachOfSequence, isObject, requireArguments, toDOMString, toUSVString, toUnsignedShort } from "./webidl.js";

/** @type {readonly any[]} */
const noPorts = freeze([]);

/** https://html.spec.whatwg.org/multipage/comms.html#messageevent */
export class MessageEvent extends Event {
  /** @type {any} */
  #data = null;
  #origin = "";
  #lastEventId = "";
  /** @type {any} */
  #source = null;
  /** @type {readonly any[]} */
  #ports = noPorts;

  /** @param {string} type @param {any} [init] */
  constructor(type, init = undefined) {
    requireArguments(arguments.length, 1, "MessageEvent constructor");
    super(type, init);
    if (init === undefined || init === null) return;
    if (init.data !== undefined) this.#data = init.data;
    if (init.origin !== undefined) this.#origin = toUSVString(init.origin);
    if (init.lastEventId !== undefined) this.#lastEventId = toDOMString(init.lastEventId);
    if (init.source !== undefined) this.#source = init.source;
    if (init.ports === undefined) return;
    /** @type {any[]} */
    const ports = [];
    forEachOfSequence(init.ports, "MessageEvent constructor: the ports", (port) => (ports[ports.length] = port));
    this.#ports = freeze(ports);
  }

  get data() {
    return this.#data;
  }

  get origin() {
    return this.#origin;
  }

  get lastEventId() {
    return this.#lastEventId;
  }

  get source() {
    return this.#source;
  }

  get ports() {
    return this.#ports;
  }
}
defineInterface(MessageEvent);

/** https://websockets.spec.whatwg.org/#the-closeevent-interface */
export class CloseEvent extends Event {
  #code = 0;
  #reason = "";
  #wasClean = false;

  /** @param {string} type @param {any} [init] */
  constructor(type, init = undefined) {
    requireArguments(arguments.length, 1, "CloseEvent constructor");
    super(type, init);
    if (init === undefined || init === null) return;
    this.#wasClean = !!init.wasClean;
    if (init.code !== undefined) this.#code = toUnsignedShort(init.code);
    if (init.reason !== undefined) this.#reason = toUSVString(init.reason);
  }

  get wasClean() {
    return this.#wasClean;
  }

  get code() {
    return this.#code;
  }

  get reason() {
    return this.#reason;
  }
}
defineInterface(CloseEvent);

/** https://html.spec.whatwg.org/multipage/webappapis.html#errorevent */
export class ErrorEvent extends Event {
  #message = "";
  #filename = "";
  #lineno = 0;
  #colno = 0;
  /** @type {any} */
  #error = undefined;

  /** @param {string} type @param {any} [init] */
  constructor(type, init = undefined) {
    requireArguments(arguments.length, 1, "ErrorEvent constructor");
    super(type, init);
    if (init === undefined || init === null) return;
    if (init.message !== undefined) this.#message = toDOMString(init.message);
    if (init.filename !== undefined) this.#filename = toUSVString(init.filename);
    if (init.lineno !== undefined) this.#lineno = init.lineno >>> 0;
    if (init.colno !== undefined) this.#colno = init.colno >>> 0;
    this.#error = init.error;
  }

  get message() {
    return this.#message;
  }

  get filename() {
    return this.#filename;
  }

  get lineno() {
    return this.#lineno;
  }

  get colno() {
    return this.#colno;
  }

  get error() {
    return this.#error;
  }
}
defineInterface(ErrorEvent);

/** https://html.spec.whatwg.org/multipage/webappapis.html#promiserejectionevent */
export class PromiseRejectionEvent extends Event {
  /** @type {Promise<any>} */
  #promise;
  /** @type {any} */
  #reason;

  /** @param {string} type @param {any} init */
  constructor(type, init) {
    requireArguments(arguments.length, 2, "PromiseRejectionEvent constructor");
    super(type, init);
    if (!isObject(init) || init.promise === undefined) {
      throw new TypeError("PromiseRejectionEvent constructor: the init has no 'promise'.");
    }
    this.#promise = promiseResolve(init.promise);
    this.#reason = init.reason;
  }

  get promise() {
    return this.#promise;
  }

  get reason() {
    return this.#reason;
  }
}
defineInterface(PromiseRejectionEvent);
