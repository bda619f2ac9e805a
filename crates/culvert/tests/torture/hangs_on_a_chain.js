// Expected: exception
export default {
  fetch(request, env, ctx) {
    let promise = new Promise(() => {});
    for (let i = 0; i < 10000; i++) promise = promise.then((x) => x);
    return promise;
  },
};
