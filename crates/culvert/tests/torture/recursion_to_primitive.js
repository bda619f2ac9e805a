// Expected: exception
export default {
  fetch(request, env, ctx) {
    const object = { [Symbol.toPrimitive]: () => `${object}` };
    return new Response(`${object}`);
  },
};
