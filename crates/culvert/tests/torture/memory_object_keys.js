// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    const object = {};
    for (let i = 0; ; i++) object[`key ${i}`] = i;
  },
};
