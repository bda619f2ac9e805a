// Handlers that answer nobody.
export default {
  async scheduled(controller, env, ctx) {
    controller.noRetry();
    console.log(controller.cron, controller.scheduledTime, controller.type, controller instanceof ScheduledController);
    if (controller.cron === "throw") throw new RangeError("in scheduled");
    if (controller.cron === "hang") await new Promise(() => {});
    ctx.waitUntil(scheduler.wait(5).then(() => console.log("waited")));
  },
  async tail(events, env, ctx) {
    for (const { scriptName, outcome, event, logs } of events) console.log(scriptName, outcome, event.request.url, logs[0].message);
  },
};
