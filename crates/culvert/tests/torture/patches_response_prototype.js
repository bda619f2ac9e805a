// Expected: ok
export default {
  fetch(request, env, ctx) {
    const answer = new Response('x');
    Object.setPrototypeOf(answer, { get body() { throw new Error('patched'); } });
    return answer;
  },
};
