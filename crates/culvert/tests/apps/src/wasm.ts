/** Modules of WebAssembly that wasm-bindgen made: resvg draws an SVG, squoosh's codec reads the PNG again. */
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import resvgModule from "@resvg/resvg-wasm/index_bg.wasm";
import encode, { init as initEncoder } from "@jsquash/png/encode.js";
import decode, { init as initDecoder } from "@jsquash/png/decode.js";
// @ts-expect-error its own declaration is of the instance, wrangler gives the module
import pngModule from "@jsquash/png/codec/pkg/squoosh_png_bg.wasm";

/** What `@jsquash/png` gives; Workers have no `ImageData`, neither here nor at Cloudflare. */
Object.assign(globalThis, {
  ImageData: class {
    constructor(
      readonly data: Uint8ClampedArray,
      readonly width: number,
      readonly height: number,
    ) {}
  },
});
const ready = Promise.all([initWasm(resvgModule), initDecoder(pngModule), initEncoder(pngModule)]);

export default {
  async fetch(request) {
    await ready;
    const color = new URL(request.url).searchParams.get("color") ?? "red";
    const image = new Resvg(`<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="20" height="10" fill="${color}"/></svg>`).render();
    const png = image.asPng();
    const { width, height, data } = await decode(png.slice().buffer);
    const again = await encode({ width, height, data, colorSpace: "srgb" } as never);
    return Response.json({ png: png.length, signature: [...png.subarray(0, 4)], again: again.byteLength > 0, width, height, pixel: [...data.subarray(0, 4)] });
  },
} satisfies ExportedHandler;
