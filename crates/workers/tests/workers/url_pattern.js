export default {
  async fetch(request) {
    const pattern = new URLPattern({ pathname: "/books/:id(\\d+)/:rest*" });
    const whole = new URLPattern("https://*.example.com/:kind?", { ignoreCase: true });
    const match = pattern.exec("https://a.example/books/12/x/y");
    let bad;
    try {
      new URLPattern({ pathname: "(" });
    } catch (error) {
      bad = error.name;
    }
    return Response.json({
      groups: match.pathname.groups,
      input: match.pathname.input,
      inputs: match.inputs,
      misses: pattern.test("https://a.example/books/x"),
      none: pattern.exec("not a url"),
      relative: pattern.test("/books/1/", "https://a.example"),
      regexp: [pattern.hasRegExpGroups, whole.hasRegExpGroups],
      pathname: pattern.pathname,
      cases: [whole.test("https://A.EXAMPLE.com/X"), whole.test("https://example.org/")],
      bad,
    });
  },
};
