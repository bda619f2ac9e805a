// Expected: ok
export default {
  fetch(request, env, ctx) {
    let refused = 0;
    for (const size of [1e9, 2e9, 4e9]) {
      try {
        new Uint8Array(size).fill(1);
      } catch {
        refused++;
      }
    }
    if (refused !== 3) throw new Error(`${refused}`);
    return new Response('refused');
  },
};
