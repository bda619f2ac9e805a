// Expected: exception
export default {
  fetch(request, env, ctx) {
    throw new AggregateError(new Array(1e4).fill(new Error('one of many')), 'many');
  },
};
