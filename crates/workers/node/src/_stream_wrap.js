/** Node.js has it for its own sockets, and deprecates it. */
export { Socket as JSStreamSocket, Socket as default } from "./net.js";
