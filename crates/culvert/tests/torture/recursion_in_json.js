// Expected: exception
const deep = () => ({ toJSON: () => [deep()] });

export default {
  fetch(request, env, ctx) {
    return Response.json(deep());
  },
};
