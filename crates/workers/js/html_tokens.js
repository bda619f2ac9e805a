/**
 * What the handlers of an HTMLRewriter see (https://developers.cloudflare.com/workers/runtime-apis/html-rewriter/). A token
 * collects edits; the rewriter gets them when the handler is done, and the token is of no use from then on.
 */
import {
  TypeError,
  arrayValues,
  iteratorPrototype,
  regexpExec,
  setPrototypeOf,
  stringIndexOf,
  stringSlice,
  toLowerCase,
} from "./primordials.js";
import { isReadableStream } from "./readable_stream.js";
import { isResponse } from "./response.js";
import { INTERNAL, defineInterface, illegalConstructor, makeEnumerable, toFunction, toUSVString } from "./webidl.js";

/** An edit that waits for a stream: the place of its content in the list. @typedef {{at: number, source: any}} Later */

/** What a token and the rewriter share. */
export class TokenState {
  alive = true;
  /** @type {string[]} */
  facts;
  /** @type {string[]} */
  edits = [];
  /** @type {Later[]} */
  later = [];
  /** @type {(handler: any) => number} */
  keepHandler;

  /** @param {string[]} facts @param {(handler: any) => number} keepHandler */
  constructor(facts, keepHandler) {
    this.facts = facts;
    this.keepHandler = keepHandler;
  }

  check() {
    if (!this.alive) {
      throw new TypeError("This content token is no longer valid. Content tokens are only valid during the execution of the relevant content handler.");
    }
  }

  /** @param {string} edit @param {any} content @param {any} options */
  insert(edit, content, options) {
    this.check();
    const { edits } = this;
    edits[edits.length] = edit;
    if (isReadableStream(content) || isResponse(content)) {
      this.later[this.later.length] = { at: edits.length, source: content };
      edits[edits.length] = "";
    } else {
      edits[edits.length] = toUSVString(content);
    }
    edits[edits.length] = options?.html ? "html" : "text";
  }

  /** @param {string} edit @param {string} [first] @param {string} [second] */
  edit(edit, first = undefined, second = undefined) {
    this.check();
    const { edits } = this;
    edits[edits.length] = edit;
    if (first !== undefined) edits[edits.length] = first;
    if (second !== undefined) edits[edits.length] = second;
  }
}

/** @type {(token: Token) => TokenState} */
let tokenState;
/** Says that an element, comment or text is removed. @type {(token: Removable) => void} */
let markRemoved;

/** What all tokens are. */
class Token {
  /** @type {TokenState} */
  #state;

  /** @param {any} key @param {any} state */
  constructor(key = undefined, state = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    this.#state = state;
  }

  static {
    tokenState = (token) => token.#state;
  }
}

/** What something can be put before and after. */
class Insertable extends Token {
  /** @param {any} content @param {any} [options] */
  before(content, options = undefined) {
    tokenState(this).insert("before", content, options);
    return this;
  }

  /** @param {any} content @param {any} [options] */
  after(content, options = undefined) {
    tokenState(this).insert("after", content, options);
    return this;
  }
}
makeEnumerable(Insertable.prototype);

/** What can be replaced and removed. */
class Removable extends Insertable {
  #removed;

  /** @param {any} key @param {any} state @param {number} fact which one says that it is removed already */
  constructor(key, state, fact = 1) {
    super(key, state);
    this.#removed = state.facts[fact] === "1";
  }

  get removed() {
    tokenState(this).check();
    return this.#removed;
  }

  /** @param {any} content @param {any} [options] */
  replace(content, options = undefined) {
    tokenState(this).insert("replace", content, options);
    this.#removed = true;
    return this;
  }

  remove() {
    tokenState(this).edit("remove");
    this.#removed = true;
    return this;
  }

  static {
    markRemoved = (token) => {
      token.#removed = true;
    };
  }
}
makeEnumerable(Removable.prototype);

const ATTRIBUTE_NAME = /^[^ \n\r\t\f/>=]+$/;
const TAG_NAME = /^[a-zA-Z][^ \n\r\t\f/>]*$/;

/** Those of `state.facts` after the element's own: names and values in turn. */
const FIRST_ATTRIBUTE = 4;

export class Element extends Removable {
  /** @param {any} [key] @param {any} [state] */
  constructor(key = undefined, state = undefined) {
    super(key, state, 2);
  }

  /** The facts, when the token may still be used. @returns {string[]} */
  get #facts() {
    tokenState(this).check();
    return tokenState(this).facts;
  }

  get tagName() {
    return this.#facts[0];
  }

  set tagName(value) {
    const name = toUSVString(value);
    if (regexpExec(TAG_NAME, name) === null) throw new TypeError("Parser error: Tag name is empty or has a forbidden character.");
    this.#facts[0] = name;
    tokenState(this).edit("tagName", name);
  }

  get namespaceURI() {
    return this.#facts[1];
  }

  get attributes() {
    const facts = this.#facts;
    /** @type {[string, string][]} */
    const pairs = [];
    for (let i = FIRST_ATTRIBUTE; i < facts.length; i += 2) {
      pairs[pairs.length] = [/** @type {string} */ (facts[i]), /** @type {string} */ (facts[i + 1])];
    }
    return new AttributesIterator(INTERNAL, arrayValues(pairs));
  }

  /** Where the attribute's name is in the facts, or -1. @param {any} name */
  #indexOfAttribute(name) {
    const wanted = toLowerCase(toUSVString(name));
    const facts = this.#facts;
    for (let i = FIRST_ATTRIBUTE; i < facts.length; i += 2) if (facts[i] === wanted) return i;
    return -1;
  }

  /** @param {any} name */
  getAttribute(name) {
    const at = this.#indexOfAttribute(name);
    return at < 0 ? null : this.#facts[at + 1];
  }

  /** @param {any} name */
  hasAttribute(name) {
    return this.#indexOfAttribute(name) >= 0;
  }

  /** @param {any} name @param {any} value */
  setAttribute(name, value) {
    const wanted = toLowerCase(toUSVString(name));
    if (regexpExec(ATTRIBUTE_NAME, wanted) === null) throw new TypeError("Parser error: Attribute name is empty or has a forbidden character.");
    const text = toUSVString(value);
    const at = this.#indexOfAttribute(wanted);
    const facts = this.#facts;
    if (at >= 0) {
      facts[at + 1] = text;
    } else {
      facts[facts.length] = wanted;
      facts[facts.length] = text;
    }
    tokenState(this).edit("setAttribute", wanted, text);
    return this;
  }

  /** @param {any} name */
  removeAttribute(name) {
    const at = this.#indexOfAttribute(name);
    if (at >= 0) {
      const facts = this.#facts;
      tokenState(this).edit("removeAttribute", /** @type {string} */ (facts[at]));
      for (let i = at; i + 2 < facts.length; i++) facts[i] = /** @type {string} */ (facts[i + 2]);
      facts.length -= 2;
    }
    return this;
  }

  /** @param {any} content @param {any} [options] */
  prepend(content, options = undefined) {
    tokenState(this).insert("prepend", content, options);
    return this;
  }

  /** @param {any} content @param {any} [options] */
  append(content, options = undefined) {
    tokenState(this).insert("append", content, options);
    return this;
  }

  /** @param {any} content @param {any} [options] */
  setInnerContent(content, options = undefined) {
    tokenState(this).insert("setInnerContent", content, options);
    return this;
  }

  removeAndKeepContent() {
    tokenState(this).edit("removeAndKeepContent");
    markRemoved(this);
    return this;
  }

  /** @param {any} handler */
  onEndTag(handler) {
    toFunction(handler, "Element.onEndTag: the handler");
    if (this.#facts[3] !== "1") throw new TypeError("Parser error: No end tag.");
    tokenState(this).edit("onEndTag", `${tokenState(this).keepHandler(handler)}`);
  }
}
defineInterface(Element);

class AttributesIterator {
  /** @type {IterableIterator<any>} */
  #values;

  /** @param {any} key @param {any} values */
  constructor(key = undefined, values = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    this.#values = values;
  }

  next() {
    return this.#values.next();
  }
}
setPrototypeOf(AttributesIterator.prototype, iteratorPrototype);

export class EndTag extends Insertable {
  get name() {
    tokenState(this).check();
    return tokenState(this).facts[0];
  }

  set name(value) {
    const name = toUSVString(value);
    tokenState(this).edit("name", name);
    tokenState(this).facts[0] = name;
  }

  remove() {
    tokenState(this).edit("remove");
    return this;
  }
}
defineInterface(EndTag);

export class Comment extends Removable {
  get text() {
    tokenState(this).check();
    return tokenState(this).facts[0];
  }

  set text(value) {
    const text = toUSVString(value);
    if (stringIndexOf(text, "-->") >= 0) throw new TypeError("Parser error: Comment text shouldn't contain comment closing sequence (`-->`).");
    tokenState(this).edit("text", text);
    tokenState(this).facts[0] = text;
  }
}
defineInterface(Comment);

export class Text extends Removable {
  get text() {
    tokenState(this).check();
    return tokenState(this).facts[0];
  }

  get lastInTextNode() {
    tokenState(this).check();
    return tokenState(this).facts[2] === "1";
  }
}
defineInterface(Text);

/** A part of a doctype: empty when it is missing, else after a mark. @param {string | undefined} fact */
function partOfDoctype(fact) {
  return fact === undefined || fact === "" ? null : stringSlice(fact, 1);
}

export class Doctype extends Token {
  get name() {
    tokenState(this).check();
    return partOfDoctype(tokenState(this).facts[0]);
  }

  get publicId() {
    tokenState(this).check();
    return partOfDoctype(tokenState(this).facts[1]);
  }

  get systemId() {
    tokenState(this).check();
    return partOfDoctype(tokenState(this).facts[2]);
  }
}
defineInterface(Doctype);

export class DocumentEnd extends Token {
  /** @param {any} content @param {any} [options] */
  append(content, options = undefined) {
    tokenState(this).insert("append", content, options);
    return this;
  }
}
defineInterface(DocumentEnd);
