// Expected: exceededCpu
function* numbers() {
  for (let i = 0; ; i++) yield i;
}

export default {
  fetch(request, env, ctx) {
    let sum = 0;
    for (const n of numbers()) sum += n;
    return new Response(`${sum}`);
  },
};
