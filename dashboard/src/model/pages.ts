/** How many pages of a list are shown, as the address says it. Pure. */

/** Nobody reads more, and an address that asks for more must not have the server read for minutes. */
export const MOST_PAGES = 40;

/** Reads `pages` of an address. What makes no sense is the first page alone. */
export function readPages(params: URLSearchParams): number {
  const pages = Number(params.get("pages") ?? 1);
  return Number.isSafeInteger(pages) && pages > 1 ? Math.min(pages, MOST_PAGES) : 1;
}
