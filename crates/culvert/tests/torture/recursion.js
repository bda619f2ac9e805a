// Expected: exception
const down = (n) => down(n + 1) + 1;

export default {
  fetch(request, env, ctx) {
    return new Response(`${down(0)}`);
  },
};
