// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    let object = {};
    for (;;) object = Object.create(object, { x: { value: 1 } });
  },
};
