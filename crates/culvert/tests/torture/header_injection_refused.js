// Expected: exception
export default {
  fetch(request, env, ctx) {
    return new Response('x', { headers: { a: 'b\r\nset-cookie: c=d' } });
  },
};
