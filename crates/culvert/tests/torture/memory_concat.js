// Expected: exceededMemory
export default {
  fetch(request, env, ctx) {
    let array = [1, 2, 3];
    for (;;) array = array.concat(array);
  },
};
