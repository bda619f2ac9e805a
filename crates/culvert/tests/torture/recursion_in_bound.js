// Expected: exceededMemory, exception
export default {
  fetch(request, env, ctx) {
    let bound = () => 1;
    for (let i = 0; i < 1e5; i++) bound = bound.bind(null);
    return new Response(`${bound()}`);
  },
};
