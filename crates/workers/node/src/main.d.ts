/** What `js/node_bridge.js` gives to these modules; the build leaves imports of `./main.js` to the runtime. */
export const nodeBridge: {
  /** `Host` of `js/host.d.ts`. */
  host: any;
  inspect(value: unknown, depth?: number): string;
  asyncContext: { current(): object | undefined; enter(frame: object | undefined): object | undefined };
  nodeModules(): string[];
  processEnv(): Record<string, string>;
};
