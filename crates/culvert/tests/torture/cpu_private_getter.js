// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    class A {
      get #x() {
        for (;;);
      }
      read() {
        return this.#x;
      }
    }
    new A().read();
  },
};
