/** What `@cloudflare/workers-types` says that a Worker finds: the globals, their members, and what the modules of `cloudflare:` export. */
import { readFileSync } from "node:fs";
import ts from "typescript";

const FILE = new URL("./node_modules/@cloudflare/workers-types/latest/index.d.ts", import.meta.url);
/** The interfaces whose members are globals. */
const SCOPES = ["WorkerGlobalScope", "ServiceWorkerGlobalScope"];

const nameOf = (node) => (node.name && (ts.isIdentifier(node.name) || ts.isStringLiteral(node.name)) ? node.name.text : undefined);
const isStatic = (node) => node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword) ?? false;
const isMember = (node) => ts.isMethodDeclaration(node) || ts.isMethodSignature(node) || ts.isPropertyDeclaration(node) || ts.isPropertySignature(node) || ts.isAccessor(node);

/** @returns {{globals: {name: string, members: string[], statics: string[]}[], modules: Record<string, string[]>}} */
export function namedSurface() {
  const source = ts.createSourceFile("index.d.ts", readFileSync(FILE, "utf8"), ts.ScriptTarget.Latest, true);
  /** Classes, interfaces and the types of variables, by name: what instances have, and what the constructor has. */
  const members = new Map();
  const statics = new Map();
  const globals = new Set();
  const modules = {};
  const namespaces = new Map();
  const add = (map, key, name) => map.set(key, (map.get(key) ?? new Set()).add(name));

  for (const node of source.statements) {
    const name = nameOf(node);
    if (ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node)) {
      for (const member of node.members) {
        const called = nameOf(member);
        if (called === undefined || !isMember(member)) continue;
        add(isStatic(member) ? statics : members, name, called);
      }
    } else if (ts.isVariableStatement(node)) {
      for (const declaration of node.declarationList.declarations) {
        globals.add(declaration.name.text);
        if (!declaration.type || !ts.isTypeLiteralNode(declaration.type)) continue;
        for (const member of declaration.type.members) {
          const called = nameOf(member);
          if (called !== undefined && called !== "prototype") add(statics, declaration.name.text, called);
        }
      }
    } else if (ts.isFunctionDeclaration(node)) {
      globals.add(name);
    } else if (ts.isModuleDeclaration(node) && node.body && ts.isModuleBlock(node.body)) {
      const exported = new Set();
      for (const one of node.body.statements) {
        if (ts.isExportAssignment(one)) for (const inherited of namespaces.get(one.expression.getText()) ?? []) exported.add(inherited);
        if (ts.isExportDeclaration(one) && one.exportClause && ts.isNamedExports(one.exportClause)) for (const { name: as } of one.exportClause.elements) exported.add(as.text);
        const isExported = one.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
        if (isExported && (ts.isFunctionDeclaration(one) || ts.isClassDeclaration(one))) exported.add(nameOf(one));
        if (isExported && ts.isVariableStatement(one)) for (const { name: as } of one.declarationList.declarations) exported.add(as.text);
      }
      namespaces.set(name, exported);
      if (name.startsWith("cloudflare:")) modules[name] = [...exported];
    }
  }
  for (const scope of SCOPES) for (const name of members.get(scope) ?? []) globals.add(name);
  const list = (map, name) => [...(map.get(name) ?? [])];
  return { globals: [...globals].map((name) => ({ name, members: list(members, name), statics: list(statics, name) })), modules };
}

/** The names that a page of the documentation lists as lacking: the first column of its table, between backticks. @param {string} page @param {string} heading */
export function documentedNames(page, heading) {
  const [, section = ""] = page.split(`## ${heading}\n`);
  const rows = section.split("\n## ")[0].split("\n").filter((line) => line.startsWith("| `"));
  return rows.flatMap((row) => [...row.split("|")[1].matchAll(/`([^`]+)`/g)].map(([, name]) => name));
}
