// Expected: ok
const down = () => down() + 1;

export default {
  fetch(request, env, ctx) {
    try {
      down();
    } catch (error) {
      return new Response(error.name);
    }
  },
};
