/** @jsxImportSource react */
/** A page rendered by React on the server: as a stream with `Suspense`, and as one string. */
import { Suspense, use, useId, useState } from "react";
import { renderToReadableStream, renderToString } from "react-dom/server.edge";

function Slow({ promise }: { promise: Promise<string[]> }) {
  return (
    <ul>
      {use(promise).map((row) => (
        <li key={row}>{row}</li>
      ))}
    </ul>
  );
}

function Page({ rows }: { rows: Promise<string[]> }) {
  const [count] = useState(3);
  return (
    <html lang="en">
      <head>
        <title>{`Shop <${count}>`}</title>
      </head>
      <body>
        <label htmlFor={useId()}>{count}</label>
        <Suspense fallback={<p>waiting</p>}>
          <Slow promise={rows} />
        </Suspense>
      </body>
    </html>
  );
}

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const headers = { "content-type": "text/html; charset=utf-8" };
    if (pathname === "/string") return new Response(renderToString(<Page rows={Promise.resolve(["never"])} />), { headers });
    const rows = new Promise<string[]>((resolve) => setTimeout(() => resolve(["tea", "kettle", "<cup>"]), 20));
    const stream = await renderToReadableStream(<Page rows={rows} />, { signal: request.signal, bootstrapScripts: ["/client.js"] });
    if (pathname === "/all") await stream.allReady;
    return new Response(stream, { headers });
  },
} satisfies ExportedHandler;
