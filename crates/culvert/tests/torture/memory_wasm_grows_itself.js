// Expected: exceededMemory
// (module (memory 1) (func (export "f") (loop (drop (memory.grow (i32.const 16))) (br 0))))
const code = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 5, 1, 1, 102, 0, 0, 10, 14, 1, 12, 0, 3, 64, 65, 16, 64, 0, 26, 12, 0, 11, 11]));

export default {
  fetch(request, env, ctx) {
    new WebAssembly.Instance(code).exports.f();
  },
};
