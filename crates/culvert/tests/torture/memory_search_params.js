// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    const query = new URLSearchParams();
    for (let i = 0; ; i++) query.append(`name ${i}`, `value ${i}`);
  },
};
