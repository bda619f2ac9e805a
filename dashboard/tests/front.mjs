// The files in `dist/` before the API of a program that has others in it: to try a change of the dashboard over the program without building
// the program again (`DASHBOARD_DIST=1`; a directory instead of `1` is one that `vite build --outDir` wrote).

import { createReadStream, existsSync } from "node:fs";
import { createServer, request } from "node:http";
import { extname, join, normalize, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const WANTED = process.env.DASHBOARD_DIST ?? "1";
const DIST = WANTED === "1" ? fileURLToPath(new URL("../dist/", import.meta.url)) : resolve(WANTED) + sep;
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

export async function startFront(api) {
  const server = createServer((incoming, outgoing) => {
    const { pathname } = new URL(incoming.url, "http://localhost");
    if (pathname.startsWith("/client/v4")) {
      const onward = request(api + incoming.url, { method: incoming.method, headers: incoming.headers }, (answer) => {
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on("error", () => outgoing.destroy());
      incoming.pipe(onward);
      return;
    }
    const wanted = normalize(join(DIST, pathname));
    const found = wanted.startsWith(DIST) && extname(wanted) !== "" && existsSync(wanted);
    if (!found && pathname.startsWith("/assets/")) {
      outgoing.writeHead(404).end();
      return;
    }
    const file = found ? wanted : join(DIST, "index.html");
    const encoding = existsSync(`${file}.gz`) ? { "content-encoding": "gzip" } : {};
    outgoing.writeHead(200, { "content-security-policy": POLICY, "content-type": TYPES[extname(file)], ...encoding });
    createReadStream(encoding["content-encoding"] ? `${file}.gz` : file).pipe(outgoing);
  });
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(resolve);
    }),
  };
}
