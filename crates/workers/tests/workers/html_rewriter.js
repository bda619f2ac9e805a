const page = `<!DOCTYPE html><html><head><title>Old</title></head><body>
<!-- note --><a href="http://one.example/">one</a><img src=x><p class="gone">gone</p><div>keep <b>me</b></div></body></html>`;

const rewritten = (rewriter, html = page, type = "text/html") =>
  rewriter.transform(new Response(html, { headers: { "content-type": type, "content-length": "1", "x-kept": "1" } }));

const paths = {
  async "/all"(env) {
    const seen = [];
    const rewriter = new HTMLRewriter()
      .on("title", {
        element(element) {
          element.setInnerContent("New <title>");
        },
      })
      .on("a[href]", {
        async element(element) {
          const answer = await env.API.fetch("http://api.internal/hello");
          element.setAttribute("href", element.getAttribute("href").replace("http:", "https:"));
          element.setAttribute("data-from", await answer.text());
          element.before("<i>before</i>", { html: true }).after("after <i>").prepend("(").append(")");
          seen.push(element.tagName, element.hasAttribute("target"), element.namespaceURI, [...element.attributes]);
        },
      })
      .on(".gone", { element: (element) => void element.remove() })
      .on("div", {
        element(element) {
          element.removeAndKeepContent();
          element.onEndTag((end) => void seen.push(`end of ${end.name}`));
        },
        text(chunk) {
          if (chunk.text.includes("keep")) chunk.replace(chunk.text.toUpperCase());
        },
      })
      .on("body", { comments: (comment) => void (comment.text = ` ${comment.text.trim()}! `) })
      .onDocument({
        doctype: (doctype) => void seen.push([doctype.name, doctype.publicId]),
        end: (end) => void end.append("<!-- the end -->", { html: true }),
      });
    const response = rewritten(rewriter);
    const html = await response.text();
    return { html, seen, length: response.headers.get("content-length"), kept: response.headers.get("x-kept") };
  },

  async "/errors"() {
    const errors = {};
    const check = async (name, work) => {
      try {
        await work();
        errors[name] = "no error";
      } catch (error) {
        errors[name] = `${error.name}: ${error.message}`;
      }
    };
    await check("selector", () => new HTMLRewriter().on("a:::b", {}));
    await check("attribute", () => rewritten(new HTMLRewriter().on("a", { element: (element) => element.setAttribute("a b", "") })).text());
    await check("thrown", () =>
      rewritten(
        new HTMLRewriter().on("a", {
          element() {
            throw new RangeError("mine");
          },
        }),
      ).text());
    await check("rejected", () => rewritten(new HTMLRewriter().on("a", { element: () => Promise.reject(new RangeError("later")) })).text());
    let kept;
    await rewritten(new HTMLRewriter().on("a", { element: (element) => void (kept = element) })).text();
    await check("kept", () => kept.tagName);
    return errors;
  },

  async "/details"() {
    const text = (rewriter, html, type) => rewritten(rewriter, html, type).text();
    return {
      stream: await text(new HTMLRewriter().on("p", { element: (p) => void p.setInnerContent(new Response("<b>").body, { html: true }) }), "<p>x</p>"),
      latin: await text(new HTMLRewriter().on("p", { element: (p) => void p.setAttribute("title", "x") }), new Uint8Array([60, 112, 62, 233]), "text/html; charset=iso-8859-1").then((text) => text.length),
      twice: await text(new HTMLRewriter().on("p", { element: (p) => void p.setAttribute("a", "1") }).on("p", { element: (p) => void p.setAttribute("b", p.getAttribute("a") + "2") }), "<p>"),
      renamed: await text(new HTMLRewriter().on("p", { element: (p) => void (p.tagName = "section") }), "<p>x</p>"),
      none: await text(new HTMLRewriter(), "<p>as it was</P>"),
      empty: (await new HTMLRewriter().transform(new Response(null, { status: 204 }))).status,
    };
  },
};

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname in paths) return Response.json(await paths[pathname](env));
    // An endless page, rewritten as it is read.
    const rewriter = new HTMLRewriter().on("p", { element: (element) => void element.setAttribute("x", "y") });
    const endless = new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode("<p>a paragraph</p>".repeat(1000)));
      },
    });
    return rewriter.transform(new Response(endless));
  },
};
