// Each path does one thing with crypto.subtle and answers with what came out.
const encoder = new TextEncoder();
const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const all = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];

async function nameOf(promise) {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return `${error.constructor.name} ${error.name}`;
  }
}

const paths = {
  async "/digest"() {
    const results = {};
    for (const name of ["MD5", "SHA-1", "sha-256", "SHA-384", "SHA-512"]) results[name] = hex(await crypto.subtle.digest(name, encoder.encode("abc")));
    const stream = new crypto.DigestStream("SHA-256");
    const writer = stream.getWriter();
    await writer.write(encoder.encode("a"));
    await writer.write("bc");
    await writer.close();
    results.stream = hex(await stream.digest);
    results.written = Number(stream.bytesWritten);
    return results;
  },

  async "/hmac"() {
    const key = await crypto.subtle.importKey("raw", encoder.encode("key"), { name: "HMAC", hash: "SHA-256" }, true, ["sign", "verify"]);
    const data = encoder.encode("The quick brown fox jumps over the lazy dog");
    const signature = await crypto.subtle.sign("HMAC", key, data);
    return {
      signature: hex(signature),
      right: await crypto.subtle.verify("HMAC", key, signature, data),
      wrong: await crypto.subtle.verify("HMAC", key, signature, encoder.encode("other")),
      jwk: await crypto.subtle.exportKey("jwk", key),
      key: [key.type, key.extractable, key.algorithm, key.usages],
    };
  },

  // Every algorithm: generate, use, export in every format, import again, use again.
  async "/all"() {
    const data = encoder.encode("some data to work on");
    const done = [];
    for (const name of ["AES-CBC", "AES-CTR", "AES-GCM"]) {
      for (const length of [128, 192, 256]) {
        const key = await crypto.subtle.generateKey({ name, length }, true, ["encrypt", "decrypt"]);
        const iv = crypto.getRandomValues(new Uint8Array(16));
        const params = { name, iv, counter: iv, length: 64 };
        const sealed = await crypto.subtle.encrypt(params, key, data);
        const again = await crypto.subtle.importKey("jwk", await crypto.subtle.exportKey("jwk", key), name, false, ["decrypt"]);
        done.push([`${name} ${length}`, new TextDecoder().decode(await crypto.subtle.decrypt(params, again, sealed))]);
      }
    }
    const rsa = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" };
    const signers = [
      [{ name: "RSASSA-PKCS1-v1_5", ...rsa }, {}],
      [{ name: "RSA-PSS", ...rsa }, { saltLength: 20 }],
      [{ name: "ECDSA", namedCurve: "P-256" }, { hash: "SHA-512" }],
      [{ name: "ECDSA", namedCurve: "P-384" }, { hash: "SHA-1" }],
      [{ name: "ECDSA", namedCurve: "P-521" }, { hash: "SHA-256" }],
      [{ name: "Ed25519" }, {}],
    ];
    for (const [algorithm, params] of signers) {
      const { publicKey, privateKey } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      for (const format of ["pkcs8", "jwk"]) {
        const exported = await crypto.subtle.exportKey(format, privateKey);
        const again = await crypto.subtle.importKey(format, exported, algorithm, true, ["sign"]);
        const signature = await crypto.subtle.sign({ name: algorithm.name, ...params }, again, data);
        for (const publicFormat of ["spki", "jwk"]) {
          const key = await crypto.subtle.importKey(publicFormat, await crypto.subtle.exportKey(publicFormat, publicKey), algorithm, true, ["verify"]);
          const good = await crypto.subtle.verify({ name: algorithm.name, ...params }, key, signature, data);
          const bad = await crypto.subtle.verify({ name: algorithm.name, ...params }, key, signature, encoder.encode("x"));
          done.push([`${algorithm.name} ${algorithm.namedCurve ?? ""} ${format} ${publicFormat}`, good && !bad]);
        }
      }
    }
    const oaep = await crypto.subtle.generateKey({ name: "RSA-OAEP", ...rsa }, true, ["encrypt", "decrypt", "wrapKey", "unwrapKey"]);
    const sealed = await crypto.subtle.encrypt({ name: "RSA-OAEP", label: data }, oaep.publicKey, data);
    done.push(["RSA-OAEP", new TextDecoder().decode(await crypto.subtle.decrypt({ name: "RSA-OAEP", label: data }, oaep.privateKey, sealed))]);
    for (const algorithm of [{ name: "ECDH", namedCurve: "P-256" }, { name: "ECDH", namedCurve: "P-521" }, { name: "X25519" }]) {
      const one = await crypto.subtle.generateKey(algorithm, true, ["deriveBits", "deriveKey"]);
      const two = await crypto.subtle.generateKey(algorithm, true, ["deriveBits", "deriveKey"]);
      const first = await crypto.subtle.deriveBits({ name: algorithm.name, public: two.publicKey }, one.privateKey, 256);
      const second = await crypto.subtle.deriveKey({ name: algorithm.name, public: one.publicKey }, two.privateKey, { name: "AES-GCM", length: 256 }, true, ["encrypt"]);
      done.push([`${algorithm.name} ${algorithm.namedCurve ?? ""}`, hex(first) === hex(await crypto.subtle.exportKey("raw", second))]);
    }
    const wrapping = await crypto.subtle.generateKey({ name: "AES-KW", length: 256 }, false, ["wrapKey", "unwrapKey"]);
    const secret = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-1" }, true, ["sign"]);
    const wrapped = await crypto.subtle.wrapKey("raw", secret, wrapping, "AES-KW");
    const unwrapped = await crypto.subtle.unwrapKey("raw", wrapped, wrapping, "AES-KW", { name: "HMAC", hash: "SHA-1" }, true, ["sign"]);
    done.push(["AES-KW", hex(await crypto.subtle.exportKey("raw", unwrapped)) === hex(await crypto.subtle.exportKey("raw", secret))]);
    return done;
  },

  // RFC 5869, test case 1; RFC 6070 in its SHA-256 form.
  async "/derive"() {
    const secret = await crypto.subtle.importKey("raw", new Uint8Array(22).fill(0x0b), "HKDF", false, ["deriveBits"]);
    const salt = Uint8Array.from({ length: 13 }, (_, i) => i);
    const info = Uint8Array.from({ length: 10 }, (_, i) => 0xf0 + i);
    const password = await crypto.subtle.importKey("raw", encoder.encode("password"), "PBKDF2", false, ["deriveBits"]);
    const pbkdf2 = { name: "PBKDF2", hash: "SHA-256", salt: encoder.encode("salt"), iterations: 4096 };
    return {
      hkdf: hex(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, secret, 336)),
      pbkdf2: hex(await crypto.subtle.deriveBits(pbkdf2, password, 256)),
      tooMany: await nameOf(crypto.subtle.deriveBits({ ...pbkdf2, iterations: 100_001 }, password, 256)),
    };
  },

  async "/errors"() {
    const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, false, ["encrypt"]);
    const iv = new Uint8Array(12);
    return {
      unknown: await nameOf(crypto.subtle.digest("SHA-3", iv)),
      noName: await nameOf(crypto.subtle.digest({}, iv)),
      notExtractable: await nameOf(crypto.subtle.exportKey("raw", key)),
      wrongUsage: await nameOf(crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, iv)),
      wrongAlgorithm: await nameOf(crypto.subtle.encrypt({ name: "AES-CBC", iv: new Uint8Array(16) }, key, iv)),
      badUsage: await nameOf(crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, false, all)),
      noUsage: await nameOf(crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, false, [])),
      badKey: await nameOf(crypto.subtle.importKey("raw", new Uint8Array(15), "AES-GCM", false, ["encrypt"])),
      badJwk: await nameOf(crypto.subtle.importKey("jwk", { kty: "oct", k: "*" }, "AES-GCM", false, ["encrypt"])),
      noKey: await nameOf(crypto.subtle.encrypt({ name: "AES-GCM", iv }, {}, iv)),
      construct: await nameOf(Promise.resolve().then(() => new CryptoKey())),
      equal: [crypto.subtle.timingSafeEqual(new Uint8Array([1, 2]), new Uint8Array([1, 2])), crypto.subtle.timingSafeEqual(new Uint8Array([1, 2]), new Uint8Array([1, 3]))],
      lengths: await nameOf(Promise.resolve().then(() => crypto.subtle.timingSafeEqual(new Uint8Array(1), new Uint8Array(2)))),
    };
  },
};

export default {
  async fetch(request) {
    return Response.json(await paths[new URL(request.url).pathname]());
  },
};
