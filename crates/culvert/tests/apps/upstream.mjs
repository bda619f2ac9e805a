/** The servers that applications call: a web service, the APIs of OpenAI and Stripe as far as they are used, S3 with signatures, a WebSocket. */
import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

export const S3_KEY = "AKIAEXAMPLE";
export const S3_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
const json = (response, status, value) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));

/** Listens on a free port of this machine. @param {import("node:http").RequestListener} listener */
async function listen(listener) {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, url: `http://127.0.0.1:${server.address().port}`, stop: () => (server.closeAllConnections(), server.close()) };
}

/** A web service, OpenAI below `/openai`, Stripe below `/v1`, and a WebSocket that answers in capitals. */
export async function startUpstream() {
  const visits = new Map();
  const started = await listen(async (request, response) => {
    const body = (await bodyOf(request)).toString();
    const { pathname, searchParams } = new URL(request.url, "http://upstream");
    const [, first, second] = pathname.split("/");
    if (first === "echo") return json(response, 200, { method: request.method, query: Object.fromEntries(searchParams), body, from: request.headers["x-from"] ?? null });
    if (first === "status") return json(response, Number(second), { status: Number(second) });
    if (first === "slow") return; // No answer: whoever asks gives up.
    if (first === "flaky") {
      const count = (visits.get(pathname) ?? 0) + 1;
      visits.set(pathname, count);
      return count < 2 ? json(response, 503, {}) : response.end(`answer ${count}`);
    }
    if (pathname === "/openai/chat/completions") {
      if (request.headers.authorization !== "Bearer k") return json(response, 401, {});
      if (!JSON.parse(body).stream) return json(response, 200, { id: "c", choices: [{ index: 0, message: { role: "assistant", content: "hello there" } }] });
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const content of ["hel", "lo ", "there"]) response.write(`data: ${JSON.stringify({ id: "c", choices: [{ index: 0, delta: { content } }] })}\n\n`);
      return response.end("data: [DONE]\n\n");
    }
    if (pathname.startsWith("/openai/models/")) return json(response, 404, { error: { message: "no such model" } });
    if (pathname === "/v1/customers" && request.method === "POST") return json(response, 200, { id: new URLSearchParams(body).get("metadata[k]") === "v" ? "cus_1" : "wrong", object: "customer" });
    if (pathname === "/v1/customers") {
      const more = !searchParams.has("starting_after");
      return json(response, 200, { object: "list", url: "/v1/customers", has_more: more, data: (more ? ["a", "b"] : ["c"]).map((id) => ({ id, object: "customer" })) });
    }
    if (pathname === "/v1/charges") return json(response, 402, { error: { type: "card_error", code: "card_declined", message: "declined" } });
    return json(response, 404, {});
  });
  new WebSocketServer({ server: started.server }).on("connection", (socket) => socket.on("message", (data) => socket.send(String(data).toUpperCase())));
  return started;
}

const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const escaped = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** Whether the `Authorization` header signs the request, as "Signature Version 4" says. */
function isSigned(request, url, body) {
  const parts = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(request.headers.authorization ?? "");
  if (!parts || parts[1] !== S3_KEY) return false;
  const [, , date, region, signedHeaders, signature] = parts;
  const payload = request.headers["x-amz-content-sha256"];
  if (/^[0-9a-f]{64}$/.test(payload) && payload !== sha256(body)) return false;
  const query = [...url.searchParams].map(([name, value]) => `${escaped(name)}=${escaped(value)}`).sort().join("&");
  const headers = signedHeaders.split(";").map((name) => `${name}:${request.headers[name].trim().replace(/ +/g, " ")}\n`).join("");
  const canonical = [request.method, url.pathname, query, headers, signedHeaders, payload].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", request.headers["x-amz-date"], `${date}/${region}/s3/aws4_request`, sha256(canonical)].join("\n");
  const key = [date, region, "s3", "aws4_request"].reduce(hmac, `AWS4${S3_SECRET}`);
  return hmac(key, toSign).toString("hex") === signature;
}

/** The content of a body in `aws-chunked` encoding, with its trailing checksum left out. */
function unchunked(body) {
  const parts = [];
  for (let at = 0; ; ) {
    const end = body.indexOf("\r\n", at);
    const length = Number.parseInt(body.subarray(at, end).toString(), 16);
    if (!length) return Buffer.concat(parts);
    parts.push(body.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}

/** As much of S3 as a bucket in memory needs; nothing without a right signature. */
export async function startS3() {
  const objects = new Map();
  return listen(async (request, response) => {
    let body = await bodyOf(request);
    const url = new URL(request.url, "http://s3");
    const xml = (status, text) => response.writeHead(status, { "content-type": "application/xml" }).end(request.method === "HEAD" ? "" : `<?xml version="1.0"?>${text}`);
    if (!isSigned(request, url, body)) return xml(403, "<Error><Code>SignatureDoesNotMatch</Code><Message>The signature is wrong</Message></Error>");
    if (request.headers["content-encoding"]?.includes("aws-chunked")) body = unchunked(body);
    const key = decodeURIComponent(url.pathname).replace(/^\/bucket\/?/, "");
    if (url.searchParams.has("list-type")) {
      const found = [...objects].filter(([name]) => name.startsWith(url.searchParams.get("prefix") ?? ""));
      return xml(200, `<ListBucketResult>${found.map(([name, { data }]) => `<Contents><Key>${name.replace("&", "&amp;")}</Key><Size>${data.length}</Size></Contents>`).join("")}</ListBucketResult>`);
    }
    if (request.method === "POST" && url.searchParams.has("uploads")) return xml(200, "<InitiateMultipartUploadResult><UploadId>upload-1</UploadId></InitiateMultipartUploadResult>");
    if (request.method === "PUT") {
      const metadata = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name.startsWith("x-amz-meta-")));
      objects.set(key, { data: body, type: request.headers["content-type"], metadata });
      return response.writeHead(200, { etag: `"${createHash("md5").update(body).digest("hex")}"` }).end();
    }
    if (request.method === "DELETE") return objects.delete(key), response.writeHead(204).end();
    const object = objects.get(key);
    if (!object) return xml(404, "<Error><Code>NoSuchKey</Code><Message>No such key</Message></Error>");
    response.writeHead(200, { "content-type": object.type ?? "application/octet-stream", "content-length": object.data.length, ...object.metadata });
    response.end(request.method === "HEAD" ? undefined : object.data);
  });
}
