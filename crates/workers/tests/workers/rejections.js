// Rejections that nobody handles, and who hears of them.
const heard = [];
addEventListener("unhandledrejection", (event) => {
  heard.push([event.reason.message, event.promise instanceof Promise, event instanceof PromiseRejectionEvent]);
  if (event.reason.message === "dealt with") event.preventDefault();
});

export default {
  async fetch(request) {
    const message = new URL(request.url).searchParams.get("message");
    if (message === null) return Response.json(heard);
    Promise.reject(new Error(message));
    Promise.reject(new Error("handled")).catch(() => {});
    return new Response("answered");
  },
};
