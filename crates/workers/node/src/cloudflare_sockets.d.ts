/** `cloudflare:sockets`; the build leaves it to the runtime. */
export function connect(address: { hostname: string; port: number }, options?: object): any;
