// Top-level await.
export const started = await new Promise((resolve) => queueMicrotask(() => resolve("awaited")));
