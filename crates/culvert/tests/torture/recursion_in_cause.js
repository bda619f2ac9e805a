// Expected: exception
export default {
  fetch(request, env, ctx) {
    let error = new Error('innermost');
    for (let i = 0; i < 1e5; i++) error = new Error('outer', { cause: error });
    throw error;
  },
};
