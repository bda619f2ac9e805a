// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    const form = new FormData();
    for (let i = 0; ; i++) form.append(`name ${i}`, 'x'.repeat(1000) + i);
  },
};
