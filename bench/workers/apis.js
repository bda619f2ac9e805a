// What Workers do with their APIs, one path a kind.

const encoder = new TextEncoder();

async function json(request) {
  const order = await request.json();
  order.total = order.lines.reduce((sum, line) => sum + line.price * line.count, 0);
  return Response.json(order);
}

function headers(request) {
  const copied = new Headers();
  let length = 0;
  for (const [name, value] of request.headers) {
    length += value.length;
    if (name.startsWith("x-field-")) copied.set(name, value);
  }
  copied.set("x-length", `${length}`);
  return new Response("ok", { headers: copied });
}

const PIECE = new Uint8Array(64 * 1024);

function stream() {
  let left = 160;
  const source = new ReadableStream({
    pull(controller) {
      if (left === 0) controller.close();
      else controller.enqueue(PIECE.slice());
      left -= 1;
    },
  });
  const through = new TransformStream({ transform: (chunk, controller) => controller.enqueue(chunk) });
  return new Response(source.pipeThrough(through));
}

const ROW = '<tr class="row"><td><a href="/item/7" title="an item">Item</a></td><td data-price="12">12.00</td><td>in stock &amp; ready</td></tr>\n';
const PAGE = `<!doctype html><html><head><title>Stock</title></head><body><table>\n${ROW.repeat(Math.ceil((200 * 1024) / ROW.length))}</table></body></html>`;

function html() {
  return new HTMLRewriter()
    .on("title", { element: (element) => element.setInnerContent("Changed") })
    .on("table", { element: (element) => element.setAttribute("id", "stock") })
    .on("a[href]", { element: (element) => element.setAttribute("href", `https://example.com${element.getAttribute("href")}`) })
    .transform(new Response(PAGE, { headers: { "content-type": "text/html" } }));
}

const MEGABYTE = new Uint8Array(1024 * 1024).fill(7);
let key;

async function hash() {
  key ??= await crypto.subtle.importKey("raw", encoder.encode("a secret of the bench"), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", MEGABYTE));
  const signature = new Uint8Array(await crypto.subtle.sign("HMAC", key, MEGABYTE));
  return new Response(`${digest[0]} ${signature[0]}`);
}

function url() {
  let length = 0;
  for (let i = 0; i < 500; i++) {
    const parsed = new URL(`/shop/../stock/${i}?page=${i}&sort=price%20up#row`, "https://user@example.com:8443/a/b");
    length += parsed.hostname.length + parsed.pathname.length + parsed.searchParams.get("page").length + parsed.href.length;
  }
  return new Response(`${length}`);
}

const paths = { "/json": json, "/headers": headers, "/stream": stream, "/html": html, "/hash": hash, "/url": url };

export default {
  fetch(request) {
    return paths[new URL(request.url).pathname](request);
  },
};
