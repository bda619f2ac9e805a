// Expected: exceededCpu
function* stubborn() {
  try {
    yield 1;
  } finally {
    for (;;);
  }
}

export default {
  fetch(request, env, ctx) {
    for (const n of stubborn()) return new Response(`${n}`);
  },
};
