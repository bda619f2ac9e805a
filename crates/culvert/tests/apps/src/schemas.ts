/** zod, valibot and ajv: parsing, what does not fit, and what their compilers need of `eval`. */
import Ajv from "ajv";
import * as v from "valibot";
import { z } from "zod";

const Order = z.object({
  id: z.uuid(),
  email: z.email(),
  total: z.coerce.number().positive(),
  at: z.iso.datetime().transform((text) => new Date(text)),
  lines: z.array(z.discriminatedUnion("kind", [z.object({ kind: z.literal("item"), sku: z.string().regex(/^[A-Z]+-\d+$/) }), z.object({ kind: z.literal("note"), text: z.string() })])),
});
const Address = v.object({ street: v.string(), zip: v.pipe(v.string(), v.regex(/^\d{5}$/)) });
// A schema is compiled with `new Function`, which Workers may do at their top level only.
const valid = new Ajv({ allErrors: true }).compile({ type: "object", required: ["n"], properties: { n: { type: "integer", minimum: 3 } }, additionalProperties: false });

export default {
  async fetch(request) {
    const value: unknown = await request.json();
    switch (new URL(request.url).pathname) {
      case "/zod": {
        const parsed = Order.safeParse(value);
        return Response.json(parsed.success ? { ...parsed.data, year: parsed.data.at.getUTCFullYear() } : { issues: z.flattenError(parsed.error) }, { status: parsed.success ? 200 : 422 });
      }
      case "/zod/schema":
        return Response.json(z.toJSONSchema(z.object({ a: z.string().optional() })));
      case "/valibot": {
        const parsed = v.safeParse(Address, value);
        return Response.json(parsed.success ? parsed.output : { issues: v.flatten(parsed.issues) });
      }
      case "/ajv":
        return Response.json({ valid: valid(value), errors: valid.errors?.map((error) => error.keyword) ?? [] });
      case "/ajv/late":
        return Response.json({ valid: new Ajv().compile({ type: "object" })(value) });
      default:
        return new Response("no such page", { status: 404 });
    }
  },
} satisfies ExportedHandler;
