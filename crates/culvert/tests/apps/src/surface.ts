/** Tells which of the given names this runtime lacks. */
import * as node from "cloudflare:node";
import * as sockets from "cloudflare:sockets";
import * as workers from "cloudflare:workers";

interface Surface {
  globals: { name: string; members: string[]; statics: string[] }[];
  modules: Record<string, string[]>;
}
const MODULES: Record<string, object> = { "cloudflare:node": node, "cloudflare:sockets": sockets, "cloudflare:workers": workers };

export default {
  async fetch(request) {
    const { globals, modules } = await request.json<Surface>();
    const scope = globalThis as Record<string, any>;
    const lacking: string[] = [];
    for (const { name, members, statics } of globals) {
      if (!(name in scope)) {
        lacking.push(name);
        continue;
      }
      const value = scope[name];
      if (typeof value !== "function" || value.prototype === undefined) continue;
      for (const member of members) if (!(member in value.prototype)) lacking.push(`${name}.prototype.${member}`);
      for (const member of statics) if (!(member in value)) lacking.push(`${name}.${member}`);
    }
    for (const [module, names] of Object.entries(modules)) {
      const there = MODULES[module];
      if (there === undefined) lacking.push(module);
      else for (const name of names) if (!(name in there)) lacking.push(`${module} ${name}`);
    }
    return Response.json(lacking);
  },
} satisfies ExportedHandler;
