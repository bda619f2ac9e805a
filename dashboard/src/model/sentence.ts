/** The parts of a sentence that are more than text: code, times, days, names that are known. Pure. */

export type Part =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "time"; at: number; text: string }
  | { kind: "day"; text: string }
  | { kind: "name"; text: string };

/** A time of ISO 8601 with its zone, or a day alone; neither as a part of a longer word, such as a name or a path. */
const MOMENT = /(?<![\w./:-])\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z| UTC|[+-]\d{2}:\d{2}))?(?![\w/:-]|\.\w)/g;

function momentOf(text: string): Part {
  const at = Date.parse(text.replace(/ UTC$/, "Z").replace(" ", "T"));
  if (!Number.isFinite(at)) return { kind: "text", text };
  return text.length > 10 ? { kind: "time", at, text } : { kind: "day", text };
}

/** What stands between two backticks. One alone is what it is. */
const CODE = /`([^`]+)`/g;

/** Splits a sentence. `names` are those that may stand in it, as they stand in it. */
export function partsOf(text: string, names: readonly string[] = []): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const { 0: whole, 1: code = "", index } of text.matchAll(CODE)) {
    parts.push(...wordsOf(text.slice(end, index), names), { kind: "code", text: code });
    end = index + whole.length;
  }
  return [...parts, ...wordsOf(text.slice(end), names)];
}

function wordsOf(text: string, names: readonly string[]): Part[] {
  const found: { at: number; part: Part }[] = [...text.matchAll(MOMENT)].map((match) => ({ at: match.index, part: momentOf(match[0]) }));
  for (const name of names) {
    for (let at = text.indexOf(name); name !== "" && at >= 0; at = text.indexOf(name, at + name.length)) found.push({ at, part: { kind: "name", text: name } });
  }
  found.sort((a, b) => a.at - b.at || b.part.text.length - a.part.text.length);
  const parts: Part[] = [];
  let end = 0;
  for (const { at, part } of found) {
    // What begins within another is a part of that.
    if (at < end) continue;
    if (at > end) parts.push({ kind: "text", text: text.slice(end, at) });
    parts.push(part);
    end = at + part.text.length;
  }
  if (end < text.length) parts.push({ kind: "text", text: text.slice(end) });
  return parts;
}

/** What stands for a moment in JSON that is written over several lines: milliseconds since 1970; seconds only where the name says so. */
const NUMBER = /(?<=^\s*"\w+": )\d{13}(?=,?$)|(?<=^\s*"\w+_(?:at|on)": )\d{10}(?=,?$)/gm;

/** Splits text that is shown as somebody else wrote it, a log or a record, at the times in it. */
export function timesIn(text: string): ({ kind: "text"; text: string } | { kind: "time"; at: number; text: string })[] {
  const found = [
    ...[...text.matchAll(MOMENT)].map(({ 0: words, index }) => ({ index, part: momentOf(words) })),
    ...[...text.matchAll(NUMBER)].map(({ 0: words, index }) => ({ index, part: { kind: "time" as const, at: Number(words) * (words.length === 13 ? 1 : 1000), text: words } })),
  ].sort((a, b) => a.index - b.index);
  const parts: ReturnType<typeof timesIn> = [];
  let end = 0;
  for (const { index, part } of found) {
    if (part.kind !== "time") continue;
    if (index > end) parts.push({ kind: "text", text: text.slice(end, index) });
    parts.push(part);
    end = index + part.text.length;
  }
  if (end < text.length) parts.push({ kind: "text", text: text.slice(end) });
  return parts;
}
