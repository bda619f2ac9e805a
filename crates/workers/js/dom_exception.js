/** DOMException (https://webidl.spec.whatwg.org/#idl-DOMException). */
import { Error, RangeError, TypeError, apply, defineProperty, getOwnPropertyDescriptor, hasOwn, isFinite, setPrototypeOf } from "./primordials.js";
import { defineInterface, toDOMString, toDictionary } from "./webidl.js";

/** The names that still have a number. @type {Record<string, number>} */
const CODES = {
  // @ts-expect-error: sets the prototype, adds no entry
  __proto__: null,
  IndexSizeError: 1,
  HierarchyRequestError: 3,
  WrongDocumentError: 4,
  InvalidCharacterError: 5,
  NoModificationAllowedError: 7,
  NotFoundError: 8,
  NotSupportedError: 9,
  InUseAttributeError: 10,
  InvalidStateError: 11,
  SyntaxError: 12,
  InvalidModificationError: 13,
  NamespaceError: 14,
  InvalidAccessError: 15,
  TypeMismatchError: 17,
  SecurityError: 18,
  NetworkError: 19,
  AbortError: 20,
  URLMismatchError: 21,
  QuotaExceededError: 22,
  TimeoutError: 23,
  InvalidNodeTypeError: 24,
  DataCloneError: 25,
};

const captureStackTrace = /** @type {any} */ (Error).captureStackTrace;
// SpiderMonkey has `stack` as an accessor of Error.prototype that reads the stack of a real error only.
const stackGetter = getOwnPropertyDescriptor(Error.prototype, "stack")?.get;

/** @type {(value: any) => value is DOMException} */
export let isDOMException;
/** @type {(value: any) => value is QuotaExceededError} */
export let isQuotaExceededError;

export class DOMException {
  #name = "Error";
  #message = "";

  /** @param {any} [message] @param {any} [options] a name, or `{name, cause}` as in newer drafts */
  constructor(message = "", options = "Error") {
    this.#message = toDOMString(message);
    if (typeof options === "object" && options !== null) {
      const name = options.name;
      this.#name = name === undefined ? "Error" : toDOMString(name);
      if ("cause" in options) {
        defineProperty(this, "cause", { value: options.cause, writable: true, enumerable: false, configurable: true });
      }
    } else {
      this.#name = toDOMString(options);
    }
    if (captureStackTrace !== undefined) {
      apply(captureStackTrace, Error, [this, DOMException]);
    } else if (stackGetter !== undefined) {
      const stack = apply(stackGetter, new Error(), []);
      defineProperty(this, "stack", { value: stack, writable: true, enumerable: false, configurable: true });
    }
  }

  get name() {
    return this.#name;
  }

  get message() {
    return this.#message;
  }

  get code() {
    return hasOwn(CODES, this.#name) ? CODES[this.#name] : 0;
  }

  static {
    isDOMException = /** @type {any} */ ((/** @type {any} */ value) => typeof value === "object" && value !== null && #name in value);
  }
}

/** What is more than a limit allows (https://webidl.spec.whatwg.org/#quotaexceedederror). */
export class QuotaExceededError extends DOMException {
  /** @type {number | null} */
  #quota = null;
  /** @type {number | null} */
  #requested = null;

  /** @param {any} [message] @param {any} [options] */
  constructor(message = "", options = undefined) {
    super(message, "QuotaExceededError");
    const { quota, requested } = toDictionary(options, "QuotaExceededError constructor: the options");
    if (quota !== undefined) this.#quota = toAmount(quota, "quota");
    if (requested !== undefined) this.#requested = toAmount(requested, "requested");
    if (this.#quota !== null && this.#requested !== null && this.#requested < this.#quota) {
      throw new RangeError("QuotaExceededError constructor: less was requested than the quota allows.");
    }
  }

  get quota() {
    return this.#quota;
  }

  get requested() {
    return this.#requested;
  }

  static {
    isQuotaExceededError = /** @type {any} */ ((/** @type {any} */ value) => typeof value === "object" && value !== null && #quota in value);
  }
}

/** @param {any} value @param {string} name */
function toAmount(value, name) {
  const amount = +value;
  if (!isFinite(amount)) throw new TypeError(`QuotaExceededError constructor: '${name}' is not a finite number.`);
  if (amount < 0) throw new RangeError(`QuotaExceededError constructor: '${name}' is negative.`);
  return amount;
}

const CONSTANTS = {
  INDEX_SIZE_ERR: 1,
  DOMSTRING_SIZE_ERR: 2,
  HIERARCHY_REQUEST_ERR: 3,
  WRONG_DOCUMENT_ERR: 4,
  INVALID_CHARACTER_ERR: 5,
  NO_DATA_ALLOWED_ERR: 6,
  NO_MODIFICATION_ALLOWED_ERR: 7,
  NOT_FOUND_ERR: 8,
  NOT_SUPPORTED_ERR: 9,
  INUSE_ATTRIBUTE_ERR: 10,
  INVALID_STATE_ERR: 11,
  SYNTAX_ERR: 12,
  INVALID_MODIFICATION_ERR: 13,
  NAMESPACE_ERR: 14,
  INVALID_ACCESS_ERR: 15,
  VALIDATION_ERR: 16,
  TYPE_MISMATCH_ERR: 17,
  SECURITY_ERR: 18,
  NETWORK_ERR: 19,
  ABORT_ERR: 20,
  URL_MISMATCH_ERR: 21,
  QUOTA_EXCEEDED_ERR: 22,
  TIMEOUT_ERR: 23,
  INVALID_NODE_TYPE_ERR: 24,
  DATA_CLONE_ERR: 25,
};

defineInterface(DOMException, { constants: CONSTANTS });
setPrototypeOf(DOMException.prototype, Error.prototype);
defineInterface(QuotaExceededError);
