import { WorkerEntrypoint } from "cloudflare:workers";

/** What others call by RPC. */
export class Greeter extends WorkerEntrypoint {
  greet(who) {
    return { word: this.env.WORD, name: who.get("name"), loud: this.ctx.props.loud };
  }
}

export default {
  fetch: () => new Response("the default export"),
  scheduled: (controller) => console.log("on time", controller.cron),
};
