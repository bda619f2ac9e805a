// Expected: ok
export default {
  fetch(request, env, ctx) {
    let deep = {};
    for (let i = 0; i < 1e5; i++) deep = { deep };
    console.log(deep);
    return new Response('logged');
  },
};
