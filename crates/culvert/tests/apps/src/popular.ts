/** Packages that many Workers have: a check of each, by name. */
import axios from "axios";
import * as cheerio from "cheerio";
import { addDays, differenceInCalendarDays, format, formatDistance, parseISO } from "date-fns";
import { Effect } from "effect";
import ky from "ky";
import _ from "lodash";
import { marked } from "marked";
import { customAlphabet, nanoid } from "nanoid";
import OpenAI from "openai";
import { h } from "preact";
import { renderToString } from "preact-render-to-string";
import Stripe from "stripe";
import superjson from "superjson";
import { v4, v5, v7, validate } from "uuid";

interface Env {
  UPSTREAM: string;
}

const CHECKS: Record<string, (env: Env) => unknown> = {
  lodash: () => ({ grouped: _.groupBy([1, 2, 3, 4], (n) => (n % 2 ? "odd" : "even")), deep: _.isEqual({ a: [new Map([[1, new Date(0)]])] }, { a: [new Map([[1, new Date(0)]])] }), title: _.startCase("fooBar baz"), clone: _.cloneDeep({ at: new Date(5) }).at.getTime(), template: _.kebabCase("Fôo Bar") }),
  "date-fns": () => ({ format: format(new Date(2024, 1, 29, 13, 5), "EEEE d MMMM yyyy HH:mm"), days: differenceInCalendarDays(addDays(parseISO("2024-02-28"), 2), parseISO("2024-02-28")), distance: formatDistance(0, 3 * 3600_000) }),
  uuid: () => ({ v4: validate(v4()), v5: v5("example.com", v5.DNS), v7: validate(v7()), different: v4() !== v4() }),
  nanoid: () => ({ length: nanoid().length, digits: /^\d{8}$/.test(customAlphabet("0123456789", 8)()) }),
  marked: () => marked.parse("# Hi *there*\n\n| a | b |\n|---|---|\n| 1 | `2` |\n"),
  cheerio: () => {
    const $ = cheerio.load('<ul><li class="a">one</li><li>two &amp; three</li></ul>');
    $("li.a").attr("data-x", "1").after("<li>between</li>");
    return { texts: $("li").map((_index, element) => $(element).text()).get(), html: $("ul").html() };
  },
  superjson: () => superjson.parse<{ at: Date; set: Set<number> }>(superjson.stringify({ at: new Date(7), set: new Set([1, 2]), big: 10n })).at.getTime(),
  preact: () => renderToString(h("main", { class: "x" }, [h("b", null, "1 < 2")])),
  effect: () => Effect.runPromise(Effect.gen(function* () {
    const results = yield* Effect.all([Effect.succeed(1), Effect.promise(async () => 2), Effect.delay(Effect.succeed(3), "2 millis")], { concurrency: "unbounded" });
    return results.reduce((sum, n) => sum + n, 0);
  })),
  axios: async ({ UPSTREAM }) => {
    const client = axios.create({ baseURL: UPSTREAM, headers: { "x-from": "axios" } });
    const { data, status, headers } = await client.post("/echo", { a: 1 }, { params: { q: "x y" } });
    const refused = await client.get("/status/404").catch((error) => ({ code: error.code, status: error.response?.status }));
    const slow = await client.get("/slow", { timeout: 30 }).catch((error) => error.code);
    return { data, status, type: headers["content-type"], refused, slow, adapter: "fetch" };
  },
  ky: async ({ UPSTREAM }) => {
    const api = ky.create({ prefixUrl: UPSTREAM, retry: { limit: 2, delay: () => 1 } });
    const echoed = await api.post("echo", { json: { b: 2 }, searchParams: { z: 1 } }).json<{ body: string }>();
    const flaky = await api.get("flaky/ky").text();
    const refused = await api.get("status/403").catch((error) => `${error.name} ${error.response.status}`);
    const slow = await api.get("slow", { timeout: 30 }).catch((error) => error.name);
    return { body: echoed.body, flaky, refused, slow };
  },
  openai: async ({ UPSTREAM }) => {
    const client = new OpenAI({ apiKey: "k", baseURL: `${UPSTREAM}/openai` });
    const whole = await client.chat.completions.create({ model: "m", messages: [{ role: "user", content: "hi" }] });
    let streamed = "";
    for await (const part of await client.chat.completions.create({ model: "m", messages: [{ role: "user", content: "hi" }], stream: true })) streamed += part.choices[0]?.delta.content ?? "";
    const refused = await client.models.retrieve("none").catch((error) => `${error.status} ${error.constructor.name}`);
    return { whole: whole.choices[0]?.message.content, streamed, refused };
  },
  stripe: async ({ UPSTREAM }) => {
    const { hostname, port } = new URL(UPSTREAM);
    const stripe = new Stripe("sk_test_1", { host: hostname, port, protocol: "http", httpClient: Stripe.createFetchHttpClient() });
    const customer = await stripe.customers.create({ email: "a@example.com", metadata: { k: "v" } });
    const names: string[] = [];
    for await (const one of stripe.customers.list({ limit: 2 })) names.push(one.id);
    const payload = JSON.stringify({ id: "evt_1", object: "event", type: "ping" });
    const header = await stripe.webhooks.generateTestHeaderStringAsync({ payload, secret: "whsec_1" });
    const event = await stripe.webhooks.constructEventAsync(payload, header, "whsec_1", undefined, Stripe.createSubtleCryptoProvider());
    const forged = await stripe.webhooks.constructEventAsync(`${payload} `, header, "whsec_1", undefined, Stripe.createSubtleCryptoProvider()).then(() => "accepted", (error) => error.constructor.name);
    const declined = await stripe.charges.create({ amount: 1, currency: "eur" }).catch((error) => `${error.type} ${error.code}`);
    return { id: customer.id, names, event: event.type, forged, declined };
  },
};

export default {
  async fetch(request, env) {
    const name = new URL(request.url).pathname.slice(1);
    const check = CHECKS[name];
    if (check === undefined) return Response.json(Object.keys(CHECKS));
    try {
      return Response.json(await check(env));
    } catch (error) {
      return new Response((error as Error).stack ?? String(error), { status: 500 });
    }
  },
} satisfies ExportedHandler<Env>;
