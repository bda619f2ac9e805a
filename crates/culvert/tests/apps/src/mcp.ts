/** A server of the Model Context Protocol, with the streamable HTTP transport for web standards; one server a request. */
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { z } from "zod";

function makeServer() {
  const server = new McpServer({ name: "culvert-test", version: "1.0.0" }, { capabilities: { logging: {} } });
  server.registerTool("add", { description: "Adds", inputSchema: { a: z.number(), b: z.number() } }, async ({ a, b }) => ({ content: [{ type: "text", text: String(a + b) }] }));
  server.registerTool("slow", { description: "Tells how far it is", inputSchema: {} }, async (_input, extra) => {
    for (const progress of [1, 2]) {
      await extra.sendNotification({ method: "notifications/message", params: { level: "info", data: `step ${progress}` } });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return { content: [{ type: "text", text: "done" }] };
  });
  server.registerResource("greeting", "greeting://world", { mimeType: "text/plain" }, async (uri) => ({ contents: [{ uri: uri.href, text: "hello" }] }));
  return server;
}

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/mcp") return new Response("no such page", { status: 404 });
    const server = makeServer();
    const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    await server.connect(transport);
    return transport.handleRequest(request);
  },
} satisfies ExportedHandler;
