import note from "./note.txt";
import data from "./data.bin";
import add from "./add.wasm";
import { greeting } from "./lib/greeting.js";
import { createHash } from "node:crypto";

/** What a network binding says of a destination that no URL may choose. */
async function refusal(network) {
  try {
    await network.fetch("http://127.0.0.1:9/");
    return "reached";
  } catch (error) {
    return error.code;
  }
}

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/throw") throw new TypeError("boom");
    if (pathname === "/private" || pathname === "/wait") return env.API.fetch(`http://private.internal${pathname}`);
    console.log("at", pathname);
    const { exports } = await WebAssembly.instantiate(add, {});
    const { API, NET, ALL, GREETER, PLAIN, VERSION, ...rest } = env;
    return Response.json({
      release: RELEASE,
      note,
      data: [...new Uint8Array(data)],
      sum: exports.add(2, 3),
      greeting: greeting(env.NAME),
      env: rest,
      networks: [await refusal(NET), typeof ALL.connect],
      sha1: createHash("sha1").update("abc").digest("hex"),
      greeted: await GREETER.greet(new Map([["name", env.NAME]])),
      plain: await (await PLAIN.fetch(request)).text(),
      version: VERSION,
    });
  },
};
