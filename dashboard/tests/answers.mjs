// Holds what a page is answered against the OpenAPI document of the server that answers.

import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const PREFIX = "/client/v4";

/** A function that says what is wrong with an answer, if anything is. */
export async function answersOf(url) {
  const document = await (await fetch(`${url}${PREFIX}/openapi.json`)).json();
  const ajv = addFormats(new Ajv({ strict: false }));
  ajv.addSchema(document, "api");
  const operations = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => ({
    method: method.toUpperCase(), path,
    pattern: new RegExp(`^${path.replaceAll(/\{[^}]+\}/g, "[^/]+")}$`),
    literal: path.replaceAll(/\{[^}]+\}/g, "").length,
  }))).sort((a, b) => b.literal - a.literal);
  const escape = (text) => encodeURIComponent(text.replaceAll("~", "~0").replaceAll("/", "~1"));
  const find = (method, path) => operations.find((each) => each.method === method && each.pattern.test(path.slice(PREFIX.length)));
  const check = (method, path, status, answer) => {
    const operation = find(method, path);
    if (operation === undefined) return `${method} ${path} is not in the document`;
    const responses = document.paths[operation.path][method.toLowerCase()].responses;
    const key = responses[status] === undefined ? "default" : String(status);
    const fits = ajv.compile({ $ref: `api#/paths/${escape(operation.path)}/${method.toLowerCase()}/responses/${key}/content/application~1json/schema` });
    return fits(answer) ? null : `${method} ${path} answers ${status} not as the document says: ${ajv.errorsText(fits.errors, { dataVar: "answer" })}`;
  };
  check.knows = (method, path) => find(method, path) !== undefined;
  return check;
}
