/** HTMLRewriter (https://developers.cloudflare.com/workers/runtime-apis/html-rewriter/), over the host's parser. */
import { bodyText } from "./body_read.js";
import { Comment, Doctype, DocumentEnd, Element, EndTag, Text, TokenState } from "./html_tokens.js";
import host from "./host_object.js";
import { checkOwner, current } from "./invocation.js";
import { extractMediaType } from "./mime_type.js";
import {
  Map,
  TypeError,
  apply,
  isUint8Array,
  mapDelete,
  mapGet,
  mapSet,
  newPromise,
  promiseResolve,
  promiseThen,
  typedArrayLength,
} from "./primordials.js";
import { ByteController } from "./readable_byte.js";
import { READABLE, ReadableState, acquireReader, cancelStream, readFrom } from "./readable_core.js";
import { newReadableStream, stateOf } from "./readable_stream.js";
import { Response, isResponse, responseState } from "./response.js";
import { INTERNAL, defineInterface, isObject, requireArguments, toUSVString } from "./webidl.js";

/** The classes of what handlers see, by the kind that the host says. @type {Record<string, any>} */
const TOKENS = { element: Element, comments: Comment, text: Text, doctype: Doctype, end: DocumentEnd, endTag: EndTag };

/** @typedef {{selector: string | undefined, handlers: any}} Registered */

/** Letters of what handlers want (`rewriterCreate` of the host). @param {any} handlers @param {[string, string][]} letters */
function wantsOf(handlers, letters) {
  let wants = "";
  for (let i = 0; i < letters.length; i++) {
    const letter = /** @type {[string, string]} */ (letters[i]);
    if (typeof handlers[letter[0]] === "function") wants += letter[1];
  }
  return wants;
}
/** @type {[string, string][]} */
const ELEMENT_WANTS = [["element", "e"], ["comments", "c"], ["text", "t"]];
/** @type {[string, string][]} */
const DOCUMENT_WANTS = [["doctype", "d"], ["comments", "c"], ["text", "t"], ["end", "D"]];

export class HTMLRewriter {
  /** @type {Registered[]} */
  #elements = [];
  /** @type {Registered[]} */
  #documents = [];

  /** @param {any} selector @param {any} handlers */
  on(selector, handlers) {
    requireArguments(arguments.length, 2, "HTMLRewriter.on");
    const text = toUSVString(selector);
    if (!isObject(handlers)) throw new TypeError("HTMLRewriter.on: the handlers are not an object.");
    const wrong = host.rewriterCheck(text);
    if (wrong !== undefined) throw new TypeError(wrong);
    this.#elements[this.#elements.length] = { selector: text, handlers };
    return this;
  }

  /** @param {any} handlers */
  onDocument(handlers) {
    requireArguments(arguments.length, 1, "HTMLRewriter.onDocument");
    if (!isObject(handlers)) throw new TypeError("HTMLRewriter.onDocument: the handlers are not an object.");
    this.#documents[this.#documents.length] = { selector: undefined, handlers };
    return this;
  }

  /** @param {any} response */
  transform(response) {
    requireArguments(arguments.length, 1, "HTMLRewriter.transform");
    if (!isResponse(response)) throw new TypeError("HTMLRewriter.transform: the argument is not a Response.");
    const { body } = responseState(response);
    if (body === null) return new Response(null, response);
    const error = body.unusable;
    if (error !== undefined) throw error;
    const { headers } = response;
    const encoding = extractMediaType(headers.get("content-type"))?.parameters.charset ?? "utf-8";
    const stream = newReadableStream(new Rewriting(this.#elements, this.#documents, encoding, stateOf(body.stream)).readable);
    const result = new Response(stream, response);
    // Nobody knows how long it becomes.
    result.headers.delete("content-length");
    return result;
  }
}
defineInterface(HTMLRewriter);

/** One document on its way. */
class Rewriting {
  readable = new ReadableState();
  #owner = current;
  #id;
  #source;
  #reader;
  /** By the index that the host knows. @type {any[]} */
  #handlers = [];
  /** Handlers of end tags, by number. @type {Map<number, any>} */
  #endTags = new Map();
  #endTagCount = 0;
  /** Something came out since the last pull. */
  #gave = false;

  /** @param {Registered[]} elements @param {Registered[]} documents @param {string} encoding @param {ReadableState} source */
  constructor(elements, documents, encoding, source) {
    /** @type {string[]} */
    const elementSpecs = [];
    /** @type {string[]} */
    const documentSpecs = [];
    for (let i = 0; i < elements.length; i++) {
      const { selector, handlers } = /** @type {Registered} */ (elements[i]);
      elementSpecs[elementSpecs.length] = /** @type {string} */ (selector);
      elementSpecs[elementSpecs.length] = wantsOf(handlers, ELEMENT_WANTS);
      this.#handlers[this.#handlers.length] = handlers;
    }
    for (let i = 0; i < documents.length; i++) {
      const { handlers } = /** @type {Registered} */ (documents[i]);
      documentSpecs[documentSpecs.length] = wantsOf(handlers, DOCUMENT_WANTS);
      this.#handlers[this.#handlers.length] = handlers;
    }
    this.#id = host.rewriterCreate(elementSpecs, documentSpecs, encoding);
    this.#source = source;
    this.#reader = acquireReader(source, false);
    source.disturbed = true;
    const pull = () => {
      const { promise, resolve, reject } = newPromise();
      this.#gave = false;
      this.#read(resolve, reject);
      return promise;
    };
    const cancel = (/** @type {any} */ reason) => {
      host.rewriterDrop(this.#id);
      return cancelStream(this.#source, reason);
    };
    new ByteController(this.readable, { start: undefined, pull, cancel }, 0, undefined);
  }

  /** @param {(value: any) => void} resolve @param {(reason: any) => void} reject */
  #read(resolve, reject) {
    const fail = (/** @type {any} */ reason) => {
      host.rewriterDrop(this.#id);
      if (this.#source.state === READABLE) promiseThen(cancelStream(this.#source, reason), undefined, () => {});
      reject(reason);
    };
    readFrom(this.#reader, {
      chunk: (chunk) => {
        if (!isUint8Array(chunk)) fail(new TypeError("A chunk of the body is not a Uint8Array."));
        else this.#run("piece", chunk, resolve, reject, fail);
      },
      close: () => this.#run("end", undefined, resolve, reject, fail),
      error: fail,
    });
  }

  /**
   * Goes on until the host needs input, or something came out of which the reader can live for now.
   * @param {"piece" | "end" | "edits"} how @param {any} what @param {(value: any) => void} resolve @param {(reason: any) => void} reject
   * @param {(reason: any) => void} fail
   */
  #run(how, what, resolve, reject, fail) {
    try {
      for (;;) {
        checkOwner(this.#owner);
        const { controller, state } = this.readable;
        if (state !== READABLE) return resolve(undefined);
        const stop = host.rewriterResume(this.#id, how, what);
        const output = stop[0];
        if (output !== undefined && typedArrayLength(output) > 0) {
          this.#gave = true;
          controller.enqueue(output);
        }
        const kind = stop[1];
        if (kind === "input") {
          if (this.#gave) resolve(undefined);
          else promiseThen(promiseResolve(undefined), () => this.#read(resolve, reject));
          return;
        }
        if (kind === "done") {
          controller.close();
          if (controller.byobRequest !== null) controller.respond(0);
          return resolve(undefined);
        }
        if (kind === "failed") throw new TypeError(`Parser error: ${stop[3][0]}`);
        const edits = this.#call(kind, stop[2], stop[3]);
        if (!isPending(edits)) {
          how = "edits";
          what = edits;
          continue;
        }
        promiseThen(edits.promise, (list) => this.#run("edits", list, resolve, reject, fail), fail);
        return;
      }
    } catch (error) {
      fail(error);
    }
  }

  /**
   * Calls a handler. Gives its edits, now or as a promise.
   * @param {string} kind @param {number} index @param {string[]} facts
   * @returns {string[] | Pending}
   */
  #call(kind, index, facts) {
    const state = new TokenState(facts, (handler) => {
      this.#endTagCount += 1;
      mapSet(this.#endTags, this.#endTagCount, handler);
      return this.#endTagCount;
    });
    const token = new TOKENS[kind](INTERNAL, state);
    let result;
    try {
      if (kind === "endTag") {
        const handler = mapGet(this.#endTags, index);
        mapDelete(this.#endTags, index);
        result = apply(handler, undefined, [token]);
      } else {
        const handlers = this.#handlers[index];
        result = apply(handlers[kind], handlers, [token]);
      }
    } catch (error) {
      state.alive = false;
      throw error;
    }
    if (!isObject(result) || typeof result.then !== "function") return finishEdits(state);
    return new Pending(
      promiseThen(
        promiseResolve(result),
        () => {
          const edits = finishEdits(state);
          return isPending(edits) ? edits.promise : edits;
        },
        (error) => {
          state.alive = false;
          throw error;
        },
      ),
    );
  }
}

/** Edits that are still to come. */
class Pending {
  /** @type {Promise<string[]>} */
  promise;

  /** @param {Promise<string[]>} promise */
  constructor(promise) {
    this.promise = promise;
  }
}

/** @param {string[] | Pending} edits @returns {edits is Pending} */
function isPending(edits) {
  return edits instanceof Pending;
}

/** The handler is done: its edits, when the streams among their contents have been read. @param {TokenState} state @returns {string[] | Pending} */
function finishEdits(state) {
  state.alive = false;
  if (state.later.length === 0) return state.edits;
  const next = (/** @type {number} */ i) => {
    const later = state.later[i];
    if (later === undefined) return promiseResolve(state.edits);
    const response = isResponse(later.source) ? later.source : new Response(later.source);
    return promiseThen(bodyText(responseState(response).body), (text) => {
      state.edits[later.at] = text;
      return next(i + 1);
    });
  };
  return new Pending(next(0));
}
