// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const again = () => queueMicrotask(again);
    again();
    return new Promise(() => {});
  },
};
