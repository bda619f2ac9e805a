// Expected: ok
export default {
  fetch(request, env, ctx) {
    const target = new EventTarget();
    let deep = 0;
    target.addEventListener('x', () => {
      deep++;
      target.dispatchEvent(new Event('x'));
    });
    target.dispatchEvent(new Event('x'));
    return new Response(`${deep > 10}`);
  },
};
