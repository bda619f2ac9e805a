// Expected: ok
export default {
  fetch(request, env, ctx) {
    let sum = 0;
    for (let i = 0; i < 300; i++) sum += new Uint8Array(1 << 20).length;
    return new Response(`${sum}`);
  },
};
