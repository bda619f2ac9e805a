import { describe } from "./describe.js";

export default {
  async fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    try {
      // The host becomes the Host header; where the request goes is what was registered for PRIVATE_API.
      return await env.PRIVATE_API.fetch(`http://inventory.internal${pathname}${search}`, {
        method: request.method,
        headers: request.headers,
        body: request.body,
      });
    } catch (error) {
      console.error("the private service did not answer:", error.code, error.detail);
      return Response.json(describe(error), { status: 503 });
    }
  },
};
