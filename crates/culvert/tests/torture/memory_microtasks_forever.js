// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    const again = () => Promise.resolve().then(again);
    return again();
  },
};
