/** What the build puts in place: the packages' sources, and the two modules of the runtime. */
declare module "buffer/index.js";
declare module "events/events.js";
declare module "readable-stream/lib/stream.js";
