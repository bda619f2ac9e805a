// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const form = new FormData();
    form.append('a', 'b');
    for (const entry of form) form.append(...entry);
  },
};
