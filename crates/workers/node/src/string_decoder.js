/** `node:string_decoder`: the `string_decoder` package, which is Node's own. */
import decoder from "string_decoder/lib/string_decoder.js";

export const { StringDecoder } = decoder;
export default { StringDecoder };
