/**
 * A Worker that talks to PostgreSQL behind a tunnel with the clients from npm, as their users would write it: `env.DB` is a tcp
 * service, `env.NETWORK` a VPC Network.
 */
import { Duplex } from "node:stream";
import pg from "pg";
import { CloudflareSocket } from "pg-cloudflare";
import postgres from "postgres";

/** pg's socket for Workers, which opens its connection with a binding. */
class BoundSocket extends CloudflareSocket {
  constructor(binding, ssl) {
    super(ssl);
    this.binding = binding;
  }

  async connect(port, host, listener) {
    if (listener) this.once("connect", listener);
    try {
      this._cfSocket = this.binding.connect(`${host}:${port}`, { secureTransport: this.ssl ? "starttls" : "off" });
      this._cfWriter = this._cfSocket.writable.getWriter();
      this._addClosedHandler();
      this._cfReader = this._cfSocket.readable.getReader();
      const listening = this.ssl ? this._listenOnce() : this._listen();
      listening.catch((error) => this.emit("error", error));
      await this._cfWriter.ready;
      this.writable = true;
      this.emit("connect");
    } catch (error) {
      this.emit("error", error);
    }
  }
}

/** PostgreSQL's own way into TLS, then a stream as Node has them. */
async function stream(binding, address, tls) {
  let socket = binding.connect(address, { secureTransport: tls ? "starttls" : "off" });
  if (tls) {
    const writer = socket.writable.getWriter();
    await writer.write(new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]));
    writer.releaseLock();
    const reader = socket.readable.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    if (String.fromCharCode(...value) !== "S") throw new Error("the server does not speak TLS");
    socket = socket.startTls();
  }
  const duplex = Duplex.fromWeb({ readable: socket.readable, writable: socket.writable });
  // As node:net's sockets have it: the client closes only what is open.
  return Object.defineProperty(duplex, "readyState", { get: () => (duplex.destroyed ? "closed" : "open") });
}

const where = ({ host, port }) => ({ host, port: Number(port), user: "app", password: "correct horse", database: "postgres" });
const inTls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

async function withPg(binding, query) {
  const ssl = query.tls === "yes";
  const client = new pg.Client({ ...where(query), ssl, stream: () => new BoundSocket(binding, ssl) });
  client.on("error", () => {});
  await client.connect();
  try {
    await client.query("CREATE TEMP TABLE things (id int, name text, made timestamptz, data jsonb)");
    await client.query("BEGIN");
    for (let id = 0; id < 10; id++) await client.query("INSERT INTO things VALUES ($1, $2, now(), $3)", [id, `thing ${id}`, { id }]);
    await client.query("COMMIT");
    const { rows } = await client.query("SELECT id, name, data FROM things WHERE id >= $1 ORDER BY id", [8]);
    const large = await client.query("SELECT repeat('x', 1000) AS text FROM generate_series(1, 10000)");
    const wrong = await client.query("SELECT nothing FROM nowhere").catch((error) => error.code);
    const [{ ssl: secured }] = (await client.query(inTls)).rows;
    return { rows, bytes: large.rows.reduce((sum, row) => sum + row.text.length, 0), wrong, secured };
  } finally {
    await client.end();
  }
}

async function withPostgres(binding, query) {
  const address = `${query.host}:${query.port}`;
  const sql = postgres({ ...where(query), max: 2, fetch_types: false, socket: () => stream(binding, address, query.tls === "yes") });
  try {
    await sql`CREATE TABLE IF NOT EXISTS numbers (n int)`;
    await sql.begin(async (transaction) => {
      await transaction`DELETE FROM numbers`;
      await transaction`INSERT INTO numbers ${transaction(Array.from({ length: 100 }, (_, n) => ({ n })))}`;
    });
    const [{ sum }] = await sql`SELECT sum(n)::int AS sum FROM numbers WHERE n < ${50}`;
    let bytes = 0;
    for await (const rows of sql`SELECT repeat('x', 1000) AS text FROM generate_series(1, 10000)`.cursor(1000)) {
      for (const row of rows) bytes += row.text.length;
    }
    const wrong = await sql`SELECT nothing FROM nowhere`.catch((error) => error.code);
    const [{ ssl: secured }] = await sql.unsafe(inTls);
    return { sum, bytes, wrong, secured };
  } finally {
    await sql.end();
  }
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const query = Object.fromEntries(url.searchParams);
    const run = { "/pg": withPg, "/postgres": withPostgres }[url.pathname];
    try {
      return Response.json(await run(env[query.binding], query));
    } catch (error) {
      const { code, category, phase, detail } = error;
      return Response.json({ error: String(error), code, category, phase, detail, stack: error.stack }, { status: 500 });
    }
  },
};
