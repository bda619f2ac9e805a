export default {
  fetch(request) {
    console.log("about to look up", new URL(request.url).pathname);
    return new Response(inventory(request).count);
  },
};

function inventory() {
  return undefined;
}
