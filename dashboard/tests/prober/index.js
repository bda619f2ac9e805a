/** Asks the binding that the path names: `/STOCK/x`, `/SECURE/x?https`, and `/SLOW/x?within=100` for so many milliseconds. */
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [, target = "", ...rest] = url.pathname.split("/");
    if (target === "throw") throw new TypeError(`told to throw ${rest.join("/")}`);
    if (target === "spin") for (;;);
    if (target === "hoard") for (const kept = []; ;) kept.push(new Array(1e5).fill({ kept }));
    if (target === "greeting") return new Response(`${env.GREETING}, ${env.PASSWORD ?? "no password"}`);
    if (env[target] === undefined) {
      console.log("nothing is bound as", target);
      return new Response("not found", { status: 404 });
    }
    const response = await env[target].fetch(`${url.searchParams.has("https") ? "https" : "http"}://private.internal/${rest.join("/")}`, url.searchParams.has("within") ? { signal: AbortSignal.timeout(Number(url.searchParams.get("within"))) } : {});
    console.log("it answered", response.status, { target });
    return response;
  },

  async scheduled(event, env) {
    const response = await env.INVENTORY.fetch("http://private.internal/all");
    console.log("counted for", new Date(event.scheduledTime).toISOString(), await response.json());
  },
};
