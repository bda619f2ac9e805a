// Expected: exception
export default {
  fetch(request, env, ctx) {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    throw proxy;
  },
};
