// Work that only the JavaScript engine does, one path a kind. Each answers with a checksum, so that both sides are known to do the same.

function fib() {
  const f = (n) => (n < 2 ? n : f(n - 1) + f(n - 2));
  return f(35);
}

function json() {
  const rows = Array.from({ length: 2000 }, (_, id) => ({ id, name: `row ${id}`, tags: ["a", "b"], at: { x: id / 3, y: null } }));
  let length = 0;
  for (let i = 0; i < 60; i++) length += JSON.stringify(JSON.parse(JSON.stringify(rows))).length;
  return length;
}

function regexp() {
  const text = "2026-11-28T12:00:00Z GET /stock/7?page=12 200 1532 user@host.example\n".repeat(3000);
  let found = 0;
  for (let i = 0; i < 100; i++) {
    for (const match of text.matchAll(/(\d{4})-(\d\d)-(\d\d)T\S+ (GET|POST) (\S+) (\d{3})/g)) found += Number(match[6]);
    found += text.replace(/[a-z]+@[a-z.]+/g, "someone").length;
  }
  return found;
}

function sort() {
  let sum = 0;
  for (let round = 0; round < 8; round++) {
    let seed = 7 + round;
    const numbers = Array.from({ length: 100_000 }, () => (seed = (seed * 1103515245 + 12345) % 2147483648));
    numbers.sort((a, b) => a - b);
    sum += numbers[5000] + numbers.map(String).sort()[5000].length;
  }
  return sum;
}

function typedArrays() {
  const size = 220;
  const [a, b, c] = [new Float64Array(size * size), new Float64Array(size * size), new Float64Array(size * size)];
  for (let i = 0; i < a.length; i++) {
    a[i] = i % 7;
    b[i] = i % 11;
  }
  for (let round = 0; round < 12; round++) {
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        let sum = 0;
        for (let k = 0; k < size; k++) sum += a[i * size + k] * b[k * size + j];
        c[i * size + j] = sum;
      }
    }
  }
  return c.reduce((sum, x) => sum + x, 0);
}

function maps() {
  let sum = 0;
  for (let round = 0; round < 12; round++) {
    const map = new Map();
    for (let i = 0; i < 100_000; i++) map.set(`key ${i % 20_000}`, (map.get(`key ${i % 20_000}`) ?? 0) + i);
    for (const [key, value] of map) sum += key.length + (value % 7);
  }
  return sum;
}

async function sha256() {
  const bytes = new Uint8Array(16 << 20).fill(7);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return digest.join();
}

const KINDS = { fib, json, regexp, sort, typedArrays, maps, sha256 };

export default {
  async fetch(request) {
    const kind = KINDS[new URL(request.url).pathname.slice(1)];
    return kind === undefined ? Response.json(Object.keys(KINDS)) : new Response(`${await kind()}`);
  },
};
