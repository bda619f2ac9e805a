// Expected: exceededCpu
async function* numbers() {
  for (let i = 0; ; i++) yield i;
}

export default {
  async fetch(request, env, ctx) {
    let sum = 0;
    for await (const n of numbers()) sum += n;
    return new Response(`${sum}`);
  },
};
