// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    const target = new EventTarget();
    target.addEventListener('x', () => { for (;;); });
    target.dispatchEvent(new Event('x'));
    return new Response('x');
  },
};
