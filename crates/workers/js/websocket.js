/**
 * WebSocket and WebSocketPair (https://developers.cloudflare.com/workers/runtime-apis/websockets/). A socket that came from a fetch and that
 * nobody accepted is a stream of bytes of the host's, which goes out as it came in. One that script accepts gets its messages
 * one by one: the next is taken when the listeners of the one before have run.
 */
import { blobBytes, isBlob, newBlob } from "./blob.js";
import { utf8Encode } from "./bytes.js";
import { DOMException } from "./dom_exception.js";
import { EventTarget, Handler, fireEvent } from "./events.js";
import host from "./host_object.js";
import { checkOwner, current, currentContext, enter, onComplete, register, requireInvocation, settle } from "./invocation.js";
import { CloseEvent, ErrorEvent, MessageEvent } from "./message_events.js";
import {
  Error,
  TypeError,
  arrayBufferSlice,
  isArray,
  isUint8Array,
  promiseResolve,
  promiseThen,
  typedArrayBuffer,
  typedArrayByteLength,
  typedArraySlice,
} from "./primordials.js";
import { Queue } from "./queue.js";
import { INTERNAL, defineInterface, isBufferSource, isObject, requireArguments, toClampedUnsignedShort, toUSVString, viewOf } from "./webidl.js";

const SOCKET_CONNECTING = 0;
const SOCKET_OPEN = 1;
const SOCKET_CLOSING = 2;
const SOCKET_CLOSED = 3;

/**
 * What arrives at a socket: text, bytes, or the end, as `[code, reason]`; code 1005 stands for none.
 * @typedef {string | Uint8Array | [number, string]} Arrival
 */

/** What bytes come as, unless script says otherwise. */
let defaultBinaryType = "arraybuffer";
/** @param {"arraybuffer" | "blob"} type */
export function setDefaultBinaryType(type) {
  defaultBinaryType = type;
}

/** What the runtime knows of a socket. */
class SocketState {
  /** @type {WebSocket} */
  socket;
  readyState = SOCKET_OPEN;
  accepted = false;
  /** It was given away. */
  gone = false;
  sentClose = false;
  /** @type {string | null} */
  url = null;
  protocol = "";
  extensions = "";
  binaryType = defaultBinaryType;
  /** The invocation that may use it. */
  owner = current;
  /** The host's socket, once messages go through it. @type {WebSocketId} */
  native = 0;
  /** The host's socket while it is a mere stream of bytes. @type {WebSocketId} */
  raw = 0;
  /** The other end, while both are script's. @type {SocketState | undefined} */
  peer = undefined;
  /** What came before it was accepted. @type {Queue<Arrival>} */
  inbox = new Queue();
  handlers = { open: new Handler(), message: new Handler(), error: new Handler(), close: new Handler() };
  /** @type {import("./invocation.js").Context | undefined} */
  context = undefined;

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.socket = socket;
  }

  /** From now on its messages are events, and the invocation lasts until it is closed. */
  accept() {
    this.accepted = true;
    this.context = currentContext;
    this.context.waiting += 1;
    this.context.background += 1;
    register(this.context);
    if (this.raw !== 0) {
      this.native = this.raw;
      this.raw = 0;
      host.webSocketAccept(this.native);
    }
    if (this.native !== 0) this.listen();
    while (this.inbox.length > 0) this.deliverSoon(this.inbox.shift());
  }

  /** Waits for what the host's socket gets next. */
  listen() {
    onComplete(
      host.webSocketReceive(this.native),
      (arrival) => {
        if (arrival === undefined) {
          this.lost("WebSocket disconnected without sending Close frame.");
          return;
        }
        this.deliver(arrival);
        if (!isArray(arrival)) this.listen();
      },
      (error) => {
        fireEvent(this.socket, new ErrorEvent("error", { message: error.message, error }));
        this.lost(error.message);
      },
    );
  }

  /** @param {Arrival} arrival */
  deliverSoon(arrival) {
    const { context } = this;
    promiseThen(promiseResolve(undefined), () => {
      if (context !== undefined) enter(context);
      this.deliver(arrival);
    });
  }

  /** @param {Arrival} arrival */
  deliver(arrival) {
    if (this.readyState === SOCKET_CLOSED) return;
    if (isArray(arrival)) {
      this.closed(arrival[0], arrival[1], true);
      return;
    }
    /** @type {any} */
    let data = arrival;
    if (isUint8Array(arrival)) {
      const bytes = /** @type {Uint8Array<ArrayBuffer>} */ (arrival);
      data = this.binaryType === "blob" ? newBlob(bytes, "") : arrayBufferSlice(typedArrayBuffer(bytes), 0);
    }
    fireEvent(this.socket, new MessageEvent("message", { data }));
  }

  /** The connection is gone without a word. @param {string} reason */
  lost(reason) {
    this.closed(1006, reason, false);
  }

  /** @param {number} code @param {string} reason @param {boolean} wasClean */
  closed(code, reason, wasClean) {
    if (this.readyState === SOCKET_CLOSED) return;
    this.readyState = SOCKET_CLOSED;
    fireEvent(this.socket, new CloseEvent("close", { code, reason, wasClean }));
    const { context } = this;
    if (context === undefined) return;
    this.context = undefined;
    context.background -= 1;
    settle(context);
  }

  /** Something for the other end. @param {Arrival} message */
  post(message) {
    if (this.native !== 0) {
      if (isArray(message)) host.webSocketClose(this.native, message[0], message[1]);
      else host.webSocketSend(this.native, message);
    } else if (this.peer !== undefined) {
      this.peer.arrive(message);
    }
  }

  /** Something from the other end of a pair. @param {Arrival} message */
  arrive(message) {
    if (this.native !== 0) this.post(message);
    else if (this.accepted) this.deliverSoon(message);
    else this.inbox.push(message);
  }

  /** The host's stream of bytes of this end, for whom a response goes to. @returns {WebSocketId} */
  give() {
    checkOwner(this.owner);
    if (this.accepted) throw new TypeError("Can't return WebSocket in a Response after calling accept().");
    if (this.gone) throw new TypeError("This WebSocket was returned in a Response already.");
    this.gone = true;
    if (this.raw !== 0) {
      const { raw } = this;
      this.raw = 0;
      return raw;
    }
    const { peer } = this;
    if (peer === undefined) throw new TypeError("This WebSocket is not connected.");
    const ends = host.webSocketPair(current);
    peer.native = ends[0];
    peer.peer = undefined;
    this.peer = undefined;
    while (this.inbox.length > 0) peer.post(this.inbox.shift());
    if (peer.accepted) peer.listen();
    return ends[1];
  }
}

/** @type {(value: any) => value is WebSocket} */
export let isWebSocket;
/** @type {(socket: WebSocket) => SocketState} */
export let socketState;

/** How a WebSocket of a URL is opened; set by `websocket_client.js`, which needs fetch(). @type {(state: SocketState, url: any, protocols: any) => void} */
let connectSocket;
/** @param {typeof connectSocket} connect */
export function setSocketConnector(connect) {
  connectSocket = connect;
}

export class WebSocket extends EventTarget {
  /** @type {SocketState} */
  #state;

  /** @param {any} url @param {any} [protocols] */
  constructor(url, protocols = undefined) {
    super();
    requireArguments(arguments.length, 1, "WebSocket constructor");
    this.#state = new SocketState(this);
    if (url !== INTERNAL) connectSocket(this.#state, url, protocols);
  }

  /** @param {any} [options] */
  accept(options = undefined) {
    const state = this.#state;
    void options;
    checkOwner(state.owner);
    requireInvocation();
    if (state.gone) throw new TypeError("Can't accept() WebSocket after it was returned in a Response.");
    if (state.readyState === SOCKET_CONNECTING || state.url !== null) throw new TypeError("Websockets obtained from the 'new WebSocket()' constructor cannot call accept");
    if (!state.accepted) state.accept();
  }

  /** @param {any} message */
  send(message) {
    const state = this.#state;
    requireArguments(arguments.length, 1, "WebSocket.send");
    checkOwner(state.owner);
    if (state.readyState === SOCKET_CONNECTING) {
      throw new DOMException("WebSocket.send: the socket is not open yet.", "InvalidStateError");
    }
    if (!state.accepted) throw new TypeError("You must call accept() on this WebSocket before sending messages.");
    if (state.sentClose) throw new TypeError("Can't call WebSocket send() after close().");
    if (state.readyState !== SOCKET_OPEN) return;
    if (isBlob(message)) state.post(typedArraySlice(blobBytes(message)));
    else if (isBufferSource(message)) state.post(typedArraySlice(viewOf(message, "The message")));
    else state.post(toUSVString(message));
  }

  /** @param {any} [code] @param {any} [reason] */
  close(code = undefined, reason = undefined) {
    const state = this.#state;
    checkOwner(state.owner);
    let number = 1005;
    if (code !== undefined) {
      number = toClampedUnsignedShort(code);
      if (number < 1000 || number > 4999 || number === 1004 || number === 1005 || number === 1006 || number === 1015) {
        throw new DOMException(`Invalid WebSocket close code: ${number}.`, "InvalidAccessError");
      }
    }
    const text = reason === undefined ? "" : toUSVString(reason);
    if (text !== "" && code === undefined) {
      throw new DOMException("If you specify a WebSocket close reason, you must also specify a code.", "InvalidAccessError");
    }
    if (typedArrayByteLength(utf8Encode(text)) > 123) {
      throw new DOMException("WebSocket.close: the reason is longer than 123 bytes.", "SyntaxError");
    }
    if (state.readyState === SOCKET_CONNECTING) {
      state.readyState = SOCKET_CLOSING;
      const message = "WebSocket was closed before it was open.";
      promiseThen(promiseResolve(undefined), () => {
        fireEvent(this, new ErrorEvent("error", { message }));
        state.lost(message);
      });
      return;
    }
    if (!state.accepted) throw new TypeError("You must call accept() on this WebSocket before sending messages.");
    if (state.sentClose || state.readyState === SOCKET_CLOSED) return;
    state.sentClose = true;
    state.readyState = SOCKET_CLOSING;
    state.post([number, text]);
    // Between two ends of script's own there is nobody else to answer.
    if (state.native === 0) state.deliverSoon([number, text]);
  }

  get readyState() {
    return this.#state.readyState;
  }

  get url() {
    return this.#state.url;
  }

  get protocol() {
    return this.#state.protocol;
  }

  get extensions() {
    return this.#state.extensions;
  }

  get bufferedAmount() {
    void this.#state;
    return 0;
  }

  get binaryType() {
    return this.#state.binaryType;
  }

  set binaryType(value) {
    const state = this.#state;
    if (value === "blob" || value === "arraybuffer") state.binaryType = value;
  }

  get onopen() {
    return this.#state.handlers.open.value;
  }

  set onopen(value) {
    this.#state.handlers.open.set(this, "open", value);
  }

  get onmessage() {
    return this.#state.handlers.message.value;
  }

  set onmessage(value) {
    this.#state.handlers.message.set(this, "message", value);
  }

  get onerror() {
    return this.#state.handlers.error.value;
  }

  set onerror(value) {
    this.#state.handlers.error.set(this, "error", value);
  }

  get onclose() {
    return this.#state.handlers.close.value;
  }

  set onclose(value) {
    this.#state.handlers.close.set(this, "close", value);
  }

  static {
    isWebSocket = /** @type {any} */ ((/** @type {any} */ value) => isObject(value) && #state in value);
    socketState = (socket) => socket.#state;
  }
}
defineInterface(WebSocket, {
  constants: {
    CONNECTING: SOCKET_CONNECTING,
    OPEN: SOCKET_OPEN,
    CLOSING: SOCKET_CLOSING,
    CLOSED: SOCKET_CLOSED,
    READY_STATE_CONNECTING: SOCKET_CONNECTING,
    READY_STATE_OPEN: SOCKET_OPEN,
    READY_STATE_CLOSING: SOCKET_CLOSING,
    READY_STATE_CLOSED: SOCKET_CLOSED,
  },
});

/** Two ends of one connection, under the names 0 and 1. */
export class WebSocketPair {
  constructor() {
    const one = new WebSocket(INTERNAL);
    const other = new WebSocket(INTERNAL);
    socketState(one).peer = socketState(other);
    socketState(other).peer = socketState(one);
    /** @type {any} */ (this)[0] = one;
    /** @type {any} */ (this)[1] = other;
  }
}
defineInterface(WebSocketPair);

/** The socket of a fetched response. @param {WebSocketId} raw @param {string | null} protocol */
export function fetchedSocket(raw, protocol) {
  const socket = new WebSocket(INTERNAL);
  const state = socketState(socket);
  state.raw = raw;
  state.protocol = protocol ?? "";
  return socket;
}

/** What a response may carry as its `webSocket`. @param {any} value @returns {WebSocket | null} */
export function toWebSocket(value) {
  if (value === undefined || value === null) return null;
  if (!isWebSocket(value)) throw new TypeError("Response constructor: 'webSocket' is not a WebSocket.");
  return value;
}

/** @param {SocketState} state */
export function openFetched(state) {
  if (state.readyState !== SOCKET_CONNECTING) throw new Error("The socket is not waiting to be opened.");
  state.readyState = SOCKET_OPEN;
  state.accept();
}
