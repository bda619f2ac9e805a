/** fetch() of `data:` URLs (https://fetch.spec.whatwg.org/#data-url-processor). */
import host from "./host_object.js";
import { parseMediaType, serializeMediaType } from "./mime_type.js";
import { TypeError, Uint8Array, charCodeAt, fromCharCode, regexpExec, stringIndexOf, stringSlice, typedArraySlice } from "./primordials.js";
import { Response, responseState } from "./response.js";

/** @param {string} url serialized */
export function isDataUrl(url) {
  return stringSlice(url, 0, 5) === "data:";
}

/** The value of a hexadecimal digit, or -1. @param {number} code */
function hexadecimal(code) {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** @param {string} text ASCII */
function percentDecodeBytes(text) {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    let code = charCodeAt(text, i);
    if (code === 0x25 && i + 2 < text.length) {
      const high = hexadecimal(charCodeAt(text, i + 1));
      const low = hexadecimal(charCodeAt(text, i + 2));
      if (high >= 0 && low >= 0) {
        code = high * 16 + low;
        i += 2;
      }
    }
    bytes[length] = code;
    length += 1;
  }
  return typedArraySlice(bytes, 0, length);
}

/** @param {Uint8Array} bytes of base64 */
function fromBase64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += fromCharCode(/** @type {number} */ (bytes[i]));
  const decoded = host.atob(text);
  if (decoded === undefined) throw new TypeError("The base64 of the data: URL is malformed.");
  const result = new Uint8Array(decoded.length);
  for (let i = 0; i < decoded.length; i++) result[i] = charCodeAt(decoded, i);
  return result;
}

const BASE64 = /^(.*); *base64$/i;
const OUTER_SPACE = /^[\t\n\f\r ]*(.*?)[\t\n\f\r ]*$/;

/** @param {string} url serialized @param {string} method */
export function dataResponse(url, method) {
  const hash = stringIndexOf(url, "#");
  const rest = stringSlice(url, 5, hash < 0 ? url.length : hash);
  const comma = stringIndexOf(rest, ",");
  if (comma < 0) throw new TypeError(`Fetch API cannot load: ${url}: a data: URL has a comma before its data.`);
  let type = /** @type {any} */ (regexpExec(OUTER_SPACE, stringSlice(rest, 0, comma)))[1];
  let bytes = percentDecodeBytes(stringSlice(rest, comma + 1));
  const base64 = regexpExec(BASE64, type);
  if (base64 !== null) {
    type = base64[1];
    bytes = fromBase64(bytes);
  }
  if (type[0] === ";") type = `text/plain${type}`;
  const media = parseMediaType(type);
  const serialized = media === undefined ? "text/plain;charset=US-ASCII" : serializeMediaType(media);
  const response = new Response(method === "HEAD" ? null : bytes, { statusText: "OK", headers: { "content-type": serialized } });
  const state = responseState(response);
  state.url = url;
  state.type = "basic";
  return response;
}
