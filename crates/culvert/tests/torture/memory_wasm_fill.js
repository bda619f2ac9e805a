// Expected: exception
// (module (memory 1) (func (export "f") (drop (memory.grow (i32.const 30000))) (memory.fill (i32.const 0) (i32.const 1) (i32.const 1966080000))))
const code = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 5, 1, 1, 102, 0, 0, 10, 24, 1, 22, 0, 65, 176, 234, 1, 64, 0, 26, 65, 0, 65, 1, 65, 128, 128, 192, 169, 7, 252, 11, 0, 11]));

export default {
  fetch(request, env, ctx) {
    new WebAssembly.Instance(code).exports.f();
  },
};
