// Expected: exceededCpu
export default {
  fetch(request, env, ctx) {
    let n = 0;
    do n++;
    while (true);
  },
};
