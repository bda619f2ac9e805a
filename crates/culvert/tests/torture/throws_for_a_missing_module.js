// Expected: exception
export default {
  async fetch(request, env, ctx) {
    return import('./missing.js');
  },
};
