// Expected: ok
export default {
  fetch(request, env, ctx) {
    const answer = new Response('x');
    ctx.waitUntil(answer.clone().text());
    return answer;
  },
};
