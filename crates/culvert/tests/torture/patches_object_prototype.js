// Expected: ok
Object.prototype.get = Object.prototype.value = Object.prototype.then = undefined;
Object.prototype.status = 404;

export default {
  fetch(request, env, ctx) {
    return new Response('x', Object.assign(Object.create(null), { status: 200 }));
  },
};
