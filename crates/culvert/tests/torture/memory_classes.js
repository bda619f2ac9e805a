// Expected: exceededMemory
const keep = [];

export default {
  fetch(request, env, ctx) {
    for (;;) keep.push(class { #x = keep.length; static y = 1; method() {} });
  },
};
