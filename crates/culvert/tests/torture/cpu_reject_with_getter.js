// Expected: exceededCpu
export default {
  async fetch(request, env, ctx) {
    return Promise.reject({ get stack() { for (;;); }, get message() { for (;;); }, toString() { for (;;); } });
  },
};
