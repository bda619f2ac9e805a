// Expected: exception
export default {
  fetch(request, env, ctx) {
    throw { get message() { throw new Error('inner'); }, get stack() { throw new Error('inner'); } };
  },
};
