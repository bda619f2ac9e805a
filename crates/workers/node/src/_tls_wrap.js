/** `node:_tls_wrap`, by which old packages know it. */
export { Server, TLSSocket, checkServerIdentity, connect, createServer } from "./tls.js";
export { default } from "./tls.js";
