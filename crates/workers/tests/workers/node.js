// Imports of Node's modules, by both of their names.
import assert from "node:assert";
import { AsyncLocalStorage } from "node:async_hooks";
import { Buffer as FromModule } from "buffer";
import { createCipheriv, createDecipheriv, createHash, createHmac, generateKeyPairSync, scryptSync, sign, verify } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { posix } from "path";
import process from "node:process";
import { PassThrough, Readable, Transform } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { setTimeout as wait } from "node:timers/promises";
import util from "node:util";
import { createGunzip, createGzip, gunzipSync, gzipSync } from "node:zlib";

const storage = new AsyncLocalStorage();

const checks = {
  globals() {
    assert.strictEqual(FromModule, Buffer);
    assert.strictEqual(global, globalThis);
    assert.strictEqual(typeof setImmediate, "function");
    assert.strictEqual(process.env.PLAIN, "from the bindings");
    assert.strictEqual(process.getBuiltinModule("node:util"), util);
  },
  buffers() {
    assert.strictEqual(Buffer.from("héllo").toString("base64url"), "aMOpbGxv");
    assert.strictEqual(Buffer.from("aMOpbGxv", "base64url").toString(), "héllo");
    assert.strictEqual(Buffer.concat([Buffer.from("ff00", "hex"), Buffer.alloc(2)]).readUInt32BE(0), 0xff000000);
    assert.deepStrictEqual([...Buffer.from("ab").entries()], [[0, 97], [1, 98]]);
  },
  hashes() {
    assert.strictEqual(createHash("sha256").update("a").copy().update("bc").digest("hex"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert.strictEqual(createHash("md5").update("abc").digest("hex"), "900150983cd24fb0d6963f7d28e17f72");
    assert.strictEqual(createHmac("sha1", "key").update("The quick brown fox jumps over the lazy dog").digest("hex"), "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9");
    // RFC 7914, section 12.
    assert.strictEqual(scryptSync("password", "NaCl", 16, { N: 1024, r: 8, p: 16 }).toString("hex"), "fdbabe1c9d3472007856e7190d01e9fe");
  },
  async streamedHashes() {
    const hash = createHash("sha256");
    await pipeline(Readable.from(["a", "bc"]), hash);
    const expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert.strictEqual(hash.digest("hex"), expected);
    assert.strictEqual(hash.read().toString("hex"), expected);
    assert.throws(() => hash.digest(), { code: "ERR_CRYPTO_HASH_FINALIZED" });
    assert.throws(() => hash.update("d"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
  },
  ciphers() {
    const data = Buffer.alloc(1000, "some text, ");
    for (const mode of ["cbc", "ctr", "gcm"]) {
      const [key, iv] = [Buffer.alloc(32, 1), Buffer.alloc(16, 2)];
      const cipher = createCipheriv(`aes-256-${mode}`, key, iv);
      const sealed = Buffer.concat([cipher.update(data.subarray(0, 333)), cipher.update(data.subarray(333)), cipher.final()]);
      const decipher = createDecipheriv(`aes-256-${mode}`, key, iv);
      if (mode === "gcm") decipher.setAuthTag(cipher.getAuthTag());
      assert.ok(Buffer.concat([decipher.update(sealed), decipher.final()]).equals(data), mode);
    }
  },
  signatures() {
    for (const [type, options] of [["ec", { namedCurve: "P-256" }], ["ed25519", {}]]) {
      const { privateKey, publicKey } = generateKeyPairSync(type, options);
      const pem = privateKey.export({ type: "pkcs8", format: "pem" });
      const signature = sign(type === "ec" ? "sha256" : null, Buffer.from("said"), pem);
      assert.ok(verify(type === "ec" ? "sha256" : null, Buffer.from("said"), publicKey, signature), type);
      assert.ok(!verify(type === "ec" ? "sha256" : null, Buffer.from("else"), publicKey, signature), type);
    }
  },
  async events() {
    const emitter = new EventEmitter();
    queueMicrotask(() => emitter.emit("said", 1, 2));
    assert.deepStrictEqual(await once(emitter, "said"), [1, 2]);
  },
  async streams() {
    const upper = new Transform({ transform: (chunk, _, done) => done(null, `${chunk}`.toUpperCase()) });
    const out = new PassThrough();
    const [said] = await Promise.all([text(out), pipeline(Readable.from(["a", "b"]), upper, createGzip(), createGunzip(), out)]);
    assert.strictEqual(said, "AB");
    assert.strictEqual(await new Response(Readable.toWeb(Readable.from([Buffer.from("to the web")]))).text(), "to the web");
    assert.strictEqual(gunzipSync(gzipSync("level", { level: 9 })).toString(), "level");
  },
  async storage() {
    const seen = await storage.run("outer", async () => {
      await wait(1);
      const inner = storage.run("inner", () => new Promise((resolve) => setTimeout(() => resolve(storage.getStore()), 1)));
      const body = await new Response(Readable.toWeb(Readable.from([Buffer.from("x")]))).text();
      return [storage.getStore(), await inner, body, storage.getStore()];
    });
    assert.deepStrictEqual(seen, ["outer", "inner", "x", "outer"]);
    assert.strictEqual(storage.getStore(), undefined);
  },
  paths() {
    assert.strictEqual(posix.join("/a", "../b", "c"), "/b/c");
    assert.strictEqual(util.format("%s is %d", "x", 1), "x is 1");
  },
};

export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/flat") {
      // A large body through Node's streams: the visitor gets its length.
      const source = Readable.fromWeb(request.body);
      const counted = new Transform({ transform: (chunk, _, done) => done(null, chunk) });
      return new Response(Readable.toWeb(source.pipe(counted)));
    }
    if (pathname === "/store") return storage.run(searchParams.get("is"), () => wait(2).then(() => new Response(storage.getStore())));
    await checks[pathname.slice(1)]();
    return new Response("right");
  },
};
