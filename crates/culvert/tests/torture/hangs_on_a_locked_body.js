// Expected: exception
export default {
  async fetch(request, env, ctx) {
    const body = new ReadableStream();
    return new Response(await new Response(body).text());
  },
};
