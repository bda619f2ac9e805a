/** `node:_tls_common`, by which old packages know it. */
export { SecureContext, createSecureContext } from "./tls.js";
export { default } from "./tls.js";
