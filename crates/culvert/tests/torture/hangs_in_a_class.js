// Expected: exception
export default {
  fetch(request, env, ctx) {
    return new (class {
      then() {}
    })();
  },
};
