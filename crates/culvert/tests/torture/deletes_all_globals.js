// Expected: ok
const { Object, Reflect, Response } = globalThis;
const everything = globalThis;
for (const name of Object.getOwnPropertyNames(everything)) Reflect.deleteProperty(everything, name);

export default {
  fetch(request, env, ctx) {
    return new Response("x");
  },
};
