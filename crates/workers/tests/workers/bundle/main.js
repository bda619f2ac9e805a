// Every kind of module, in every way of importing.
import { twice } from "./lib/math.js";
import note from "./note.txt";
import data from "./data.json";
import raw from "./raw.bin";
import add from "./add.wasm";
import { started } from "./lib/started.js";
import { a } from "./lib/cycle_a.js";

const { exports } = new WebAssembly.Instance(add);

export default {
  async fetch(request) {
    const path = new URL(request.url).pathname;
    if (path === "/lazy") {
      const lazy = await import("./lib/lazy.js");
      const again = await import("./lib/../lib/lazy.js");
      return Response.json({ value: lazy.value, same: lazy === again });
    }
    if (path === "/missing") {
      try {
        await import("./lib/nothing.js");
      } catch (error) {
        return new Response(error.message);
      }
    }
    if (path === "/own") {
      try {
        await import("culvert:host.js");
      } catch (error) {
        return new Response(error.message);
      }
    }
    return Response.json({
      twice: twice(21),
      note,
      data,
      raw: [...new Uint8Array(raw)],
      sum: exports.add(40, 2),
      started,
      cycle: a(),
      global: typeof __host,
    });
  },
};
