/** `new WebSocket(url)`: a fetch() that asks for an upgrade (https://websockets.spec.whatwg.org/#feed-the-websocket-url). */
import { DOMException } from "./dom_exception.js";
import { fireEvent, Event } from "./events.js";
import { fetchThrough } from "./fetch.js";
import { NOT_A_TOKEN } from "./headers.js";
import { requireInvocation } from "./invocation.js";
import { ErrorEvent } from "./message_events.js";
import { Error, arrayJoin, promiseThen, regexpExec, replaceEvery, startsWith, stringSlice, toLowerCase } from "./primordials.js";
import { responseState } from "./response.js";
import { parseUrl } from "./url_record.js";
import { forEachOfSequence, isObject, toDOMString, toUSVString } from "./webidl.js";
import { openFetched, setSocketConnector, socketState } from "./websocket.js";

/** @param {string} url */
function httpUrlOf(url) {
  if (startsWith(url, "ws:")) return `http:${stringSlice(url, 3)}`;
  if (startsWith(url, "wss:")) return `https:${stringSlice(url, 4)}`;
  return url;
}

/** @param {string} url */
function socketUrlOf(url) {
  if (startsWith(url, "http:")) return `ws:${stringSlice(url, 5)}`;
  if (startsWith(url, "https:")) return `wss:${stringSlice(url, 6)}`;
  return url;
}

/** @param {string[]} names the subprotocols that are asked for */
function checkProtocols(names) {
  for (let i = 0; i < names.length; i++) {
    const name = toLowerCase(/** @type {string} */ (names[i]));
    if (name === "" || regexpExec(NOT_A_TOKEN, name) !== null) {
      throw new DOMException(`WebSocket constructor: the protocol '${names[i]}' is not a token.`, "SyntaxError");
    }
    for (let j = 0; j < i; j++) {
      if (toLowerCase(/** @type {string} */ (names[j])) === name) {
        throw new DOMException(`WebSocket constructor: the protocol '${names[i]}' is given twice.`, "SyntaxError");
      }
    }
  }
}

setSocketConnector((state, url, protocols) => {
  requireInvocation();
  const given = toUSVString(url);
  const parsed = parseUrl(given)?.[0];
  if (parsed === undefined) throw new DOMException(`WebSocket constructor: the URL ${given} is invalid.`, "SyntaxError");
  const href = socketUrlOf(parsed);
  const target = httpUrlOf(parsed);
  if (!startsWith(target, "http:") && !startsWith(target, "https:")) {
    throw new DOMException("WebSocket constructor: the URL's scheme must be ws, wss, http or https.", "SyntaxError");
  }
  if (href !== replaceEvery(href, "#", "")) {
    throw new DOMException("WebSocket constructor: the URL has a fragment.", "SyntaxError");
  }
  /** @type {string[]} */
  const names = [];
  if (protocols !== undefined && typeof protocols !== "string" && isObject(protocols)) {
    forEachOfSequence(protocols, "WebSocket constructor: the protocols", (name) => (names[names.length] = toDOMString(name)));
  } else if (protocols !== undefined) {
    names[0] = toDOMString(protocols);
  }
  checkProtocols(names);
  state.url = href;
  state.readyState = 0;
  /** @type {Record<string, string>} */
  const headers = { upgrade: "websocket" };
  if (names.length > 0) headers["sec-websocket-protocol"] = arrayJoin(names, ", ");
  promiseThen(
    fetchThrough(undefined, target, { headers }),
    (response) => {
      const { webSocket, status } = responseState(response);
      if (state.readyState !== 0) return;
      if (webSocket === null) {
        refused(state, new Error(`Failed to establish the WebSocket connection: expected HTTP status 101, the server answered ${status}.`));
        return;
      }
      const fetched = socketState(webSocket);
      state.raw = fetched.raw;
      fetched.raw = 0;
      fetched.gone = true;
      state.protocol = fetched.protocol;
      openFetched(state);
      fireEvent(state.socket, new Event("open"));
    },
    (error) => refused(state, error),
  );
});

/** @param {ReturnType<typeof socketState>} state @param {any} error */
function refused(state, error) {
  if (state.readyState !== 0) return;
  fireEvent(state.socket, new ErrorEvent("error", { message: error.message, error }));
  state.lost("WebSocket connection could not be established.");
}
