/** jose: every algorithm signs and verifies, or encrypts and decrypts; keys are written and read in their formats. */
import * as jose from "jose";

const SIGNATURES = ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];
const KEY_MANAGEMENT = [
  "dir", "A128KW", "A192KW", "A256KW", "A128GCMKW", "A192GCMKW", "A256GCMKW", "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512",
  "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW", "PBES2-HS256+A128KW", "PBES2-HS384+A192KW", "PBES2-HS512+A256KW",
];
const CONTENT = ["A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"];

async function signature(alg: string) {
  const secret = alg.startsWith("HS") ? await jose.generateSecret(alg, { extractable: true }) : undefined;
  const pair = secret ? { privateKey: secret, publicKey: secret } : await jose.generateKeyPair(alg, { extractable: true });
  const token = await new jose.SignJWT({ name: "é" }).setProtectedHeader({ alg }).setIssuer("i").setAudience("a").setIssuedAt().setExpirationTime("1m").sign(pair.privateKey);
  const { payload } = await jose.jwtVerify(token, pair.publicKey, { issuer: "i", audience: "a" });
  const other = alg.startsWith("HS") ? await jose.generateSecret(alg) : (await jose.generateKeyPair(alg)).publicKey;
  const refused = await jose.jwtVerify(token, other).then(() => "accepted", (error: jose.errors.JOSEError) => error.code);
  const jwk = await jose.exportJWK(pair.publicKey as jose.CryptoKey);
  const again = await jose.jwtVerify(token, await jose.importJWK(jwk, alg));
  let pem = "";
  if (!secret) {
    const written = await jose.exportSPKI(pair.publicKey as jose.CryptoKey);
    await jose.jwtVerify(token, await jose.importSPKI(written, alg));
    const pkcs8 = await jose.importPKCS8(await jose.exportPKCS8(pair.privateKey as jose.CryptoKey), alg);
    await jose.jwtVerify(await new jose.SignJWT({}).setProtectedHeader({ alg }).sign(pkcs8), pair.publicKey);
    pem = written.split("\n")[0]!;
  }
  return { name: payload.name, refused, again: again.payload.iss, thumbprint: (await jose.calculateJwkThumbprint(jwk)).length, pem };
}

async function encryption(alg: string, enc: string) {
  let from: jose.CryptoKey | Uint8Array;
  let to: jose.CryptoKey | Uint8Array;
  if (alg.startsWith("PBES2")) from = to = new TextEncoder().encode("correct horse");
  else if (alg === "dir" || /^A\d+(GCM)?KW$/.test(alg)) from = to = (await jose.generateSecret(alg === "dir" ? enc : alg)) as jose.CryptoKey | Uint8Array;
  else ({ publicKey: to, privateKey: from } = await jose.generateKeyPair(alg, alg.startsWith("ECDH") ? { crv: "P-384" } : {}));
  const encrypted = await new jose.CompactEncrypt(new TextEncoder().encode("secret")).setProtectedHeader({ alg, enc }).encrypt(to);
  const options = alg.startsWith("PBES2") ? { keyManagementAlgorithms: [alg] } : {};
  const { plaintext } = await jose.compactDecrypt(encrypted, from, options);
  const broken = `${encrypted.slice(0, -2)}${encrypted.endsWith("AA") ? "BB" : "AA"}`;
  const refused = await jose.compactDecrypt(broken, from, options).then(() => "accepted", (error: jose.errors.JOSEError) => error.code);
  return { plaintext: new TextDecoder().decode(plaintext), refused };
}

async function keySet() {
  const { publicKey, privateKey } = await jose.generateKeyPair("ES256");
  const set = jose.createLocalJWKSet({ keys: [{ ...(await jose.exportJWK(publicKey)), kid: "k1", alg: "ES256" }] });
  const token = await new jose.SignJWT({ sub: "s" }).setProtectedHeader({ alg: "ES256", kid: "k1" }).sign(privateKey);
  return (await jose.jwtVerify(token, set)).payload.sub;
}

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const answers: Record<string, unknown> = {};
    const note = async (name: string, work: () => Promise<unknown>) => {
      answers[name] = await work().catch((error: Error) => `${error.name}: ${error.message}`);
    };
    if (pathname === "/sign") for (const alg of SIGNATURES) await note(alg, () => signature(alg));
    if (pathname === "/encrypt") {
      for (const alg of KEY_MANAGEMENT) await note(alg, () => encryption(alg, "A256GCM"));
      for (const enc of CONTENT) await note(enc, () => encryption("dir", enc));
      await note("X25519", async () => {
        const { publicKey, privateKey } = await jose.generateKeyPair("ECDH-ES", { crv: "X25519" });
        const text = await new jose.EncryptJWT({ a: 1 }).setProtectedHeader({ alg: "ECDH-ES", enc: "A128GCM" }).encrypt(publicKey);
        return (await jose.jwtDecrypt(text, privateKey)).payload.a;
      });
      await note("JWKS", keySet);
    }
    return Response.json(answers);
  },
} satisfies ExportedHandler;
