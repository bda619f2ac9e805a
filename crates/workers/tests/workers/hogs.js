// Every way to fill memory, by path.
const keep = [];
const paths = {
  "/array": () => {
    for (;;) keep.push({ a: keep.length, b: [keep.length] });
  },
  "/string": () => {
    let text = "x";
    for (;;) {
      text += text;
      keep.push(text.slice(1) + "y");
      keep.at(-1).charCodeAt(5);
    }
  },
  "/repeat": () => {
    for (;;) keep.push(("x".repeat(1 << 20) + keep.length).split("").join("-"));
  },
  "/buffers": () => {
    for (;;) keep.push(new Uint8Array(1 << 20).fill(1));
  },
  "/fill": () => new Array(3e8).fill({}),
  "/map": () => {
    const map = new Map();
    for (let i = 0; ; i++) map.set(i, String(i));
  },
  "/closures": () => {
    let next = () => 0;
    for (;;) {
      const previous = next;
      next = () => previous;
    }
  },
  "/wasm": () => {
    for (;;) {
      const memory = new WebAssembly.Memory({ initial: 160 });
      new Uint8Array(memory.buffer).fill(1);
      keep.push(memory);
    }
  },
  "/caught": () => {
    for (;;) {
      try {
        for (;;) keep.push(new Uint8Array(1 << 20).fill(1));
      } catch {
        continue;
      }
    }
  },
  "/promises": () => {
    for (;;) keep.push(new Promise(() => {}));
  },
  "/json": () => {
    const text = JSON.stringify(new Array(1e6).fill(1));
    for (;;) keep.push(JSON.parse(text));
  },
};

export default {
  fetch(request) {
    const path = paths[new URL(request.url).pathname];
    return path === undefined ? new Response("fine") : path();
  },
};
