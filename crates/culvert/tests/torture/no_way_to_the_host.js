// Expected: ok
const names = Object.getOwnPropertyNames(globalThis).filter((name) => name.startsWith("__"));

export default {
  fetch(request, env, ctx) {
    if (names.length > 0) throw new Error(names.join());
    return new Response('x');
  },
};
