// Expected: exception
export default {
  fetch(request, env, ctx) {
    class A {
      constructor() {
        new A();
      }
    }
    new A();
  },
};
