// Expected: exceededCpu
Array.prototype.push = Promise.prototype.then = function () {
  for (;;);
};

export default {
  fetch(request, env, ctx) {
    [].push(1);
    return new Response('x');
  },
};
