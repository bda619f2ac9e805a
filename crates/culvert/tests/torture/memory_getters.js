// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    const object = {};
    for (let i = 0; ; i++) Object.defineProperty(object, `name ${i}`, { get: () => i, configurable: true });
  },
};
