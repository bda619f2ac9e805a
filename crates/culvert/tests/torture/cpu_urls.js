// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    for (let i = 0; ; i++) new URL(`https://host-${i}.example/path?query#hash`);
  },
};
