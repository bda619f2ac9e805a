/** MessageChannel and MessagePort (https://html.spec.whatwg.org/multipage/web-messaging.html#message-channels), within one isolate. */
import { DOMException } from "./dom_exception.js";
import { EventTarget, Handler, fireEvent } from "./events.js";
import host from "./host_object.js";
import { current, onComplete } from "./invocation.js";
import { MessageEvent } from "./message_events.js";
import { SymbolIterator, arrayIndexOf, promiseResolve, promiseThen } from "./primordials.js";
import { Queue } from "./queue.js";
import { addTransferable, cloneWithTransfer } from "./structured_clone.js";
import { INTERNAL, defineInterface, forEachOfSequence, illegalConstructor, isObject, requireArguments, toDictionary } from "./webidl.js";

/** Makes two ports each other's. @type {(first: MessagePort, second: MessagePort) => void} */
let entangle;
/** A port in place of this one, which is of no use from then on. @type {(port: MessagePort) => MessagePort} */
let transferPort;
/** @type {(value: any) => boolean} */
let isPort;
/** Whether it was transferred or closed. @type {(port: MessagePort) => boolean} */
let isGone;

export class MessagePort extends EventTarget {
  /** @type {MessagePort | undefined} */
  #other;
  /** What came before anyone listened. @type {Queue<any>} */
  #waiting = new Queue();
  #started = false;
  #delivering = false;
  #closed = false;
  /** @type {Handler<MessagePort>} */
  #onmessage = new Handler();
  /** @type {Handler<MessagePort>} */
  #onmessageerror = new Handler();

  /** @param {any} key */
  constructor(key = undefined) {
    if (key !== INTERNAL) illegalConstructor();
    super();
  }

  /** @param {any} message @param {any} [options] the objects to transfer, or `{transfer}` */
  postMessage(message, options = undefined) {
    requireArguments(arguments.length, 1, "MessagePort.postMessage");
    const given =
      isObject(options) && typeof options[SymbolIterator] === "function"
        ? options
        : toDictionary(options, "MessagePort.postMessage: the options").transfer;
    /** @type {any[]} */
    const transfer = [];
    if (given !== undefined) {
      forEachOfSequence(given, "MessagePort.postMessage: the objects to transfer", (item) => (transfer[transfer.length] = item));
    }
    if (arrayIndexOf(transfer, this) >= 0) throw new DOMException("A port cannot be sent through itself.", "DataCloneError");
    const other = this.#other;
    const { value, moved } = cloneWithTransfer(message, transfer);
    // Sent through itself, the other end is lost, with all that was on its way to it.
    if (other === undefined || other.#closed) return;
    /** @type {any[]} */
    const ports = [];
    for (let i = 0; i < moved.length; i++) if (isPort(moved[i])) ports[ports.length] = moved[i];
    other.#waiting.push({ data: value, ports });
    other.#deliver();
  }

  start() {
    this.#started = true;
    this.#deliver();
  }

  close() {
    const other = this.#other;
    this.#closed = true;
    this.#other = undefined;
    if (other !== undefined) other.#other = undefined;
  }

  /** One message a turn, as each is a task of its own. */
  #deliver() {
    if (!this.#started || this.#delivering || this.#waiting.length === 0) return;
    this.#delivering = true;
    const run = () => {
      this.#delivering = false;
      if (this.#closed || this.#waiting.length === 0) return;
      fireEvent(this, new MessageEvent("message", this.#waiting.shift()));
      this.#deliver();
    };
    // Outside of any request there are no tasks.
    if (current === 0) promiseThen(promiseResolve(undefined), run);
    else onComplete(host.timer(0), run, () => {});
  }

  get onmessage() {
    return this.#onmessage.value;
  }

  set onmessage(value) {
    this.#onmessage.set(this, "message", value);
    this.start();
  }

  get onmessageerror() {
    return this.#onmessageerror.value;
  }

  set onmessageerror(value) {
    this.#onmessageerror.set(this, "messageerror", value);
  }

  static {
    entangle = (first, second) => {
      first.#other = second;
      second.#other = first;
    };
    isPort = (value) => isObject(value) && #other in value;
    isGone = (port) => port.#closed;
    transferPort = (port) => {
      const copy = new MessagePort(INTERNAL);
      if (port.#other !== undefined) entangle(copy, port.#other);
      copy.#waiting = port.#waiting;
      port.#waiting = new Queue();
      port.#other = undefined;
      port.#closed = true;
      return copy;
    };
  }
}
defineInterface(MessagePort);
addTransferable({ isOne: isPort, isGone, transfer: transferPort });

export class MessageChannel {
  #port1 = new MessagePort(INTERNAL);
  #port2 = new MessagePort(INTERNAL);

  constructor() {
    entangle(this.#port1, this.#port2);
  }

  get port1() {
    return this.#port1;
  }

  get port2() {
    return this.#port2;
  }
}
defineInterface(MessageChannel);
