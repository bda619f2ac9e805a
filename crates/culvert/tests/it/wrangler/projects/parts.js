import { twice } from "./lib/twice.mjs";
import label from "./label.txt";
import table from "./table.bin";
import add from "./add.wasm";

export default {
  fetch: async () => {
    const { exports } = await WebAssembly.instantiate(add, {});
    return Response.json([twice(4), label, new Uint8Array(table).length, exports.add(1, 2)]);
  },
};
