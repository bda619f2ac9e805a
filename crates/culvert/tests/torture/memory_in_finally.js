// Expected: exceededMemory, exception
const keep = [];

export default {
  fetch(request, env, ctx) {
    try {
      throw new Error('first');
    } finally {
      for (;;) keep.push(new Uint8Array(1 << 20).fill(1));
    }
  },
};
