// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const map = new Map([[0, 0]]);
    map.forEach((_, key) => {
      map.delete(key);
      map.set(key + 1, 0);
    });
    return new Response('x');
  },
};
