/** Who has the focus after going to another page: its head, once it is there, however late it is loaded. */

let wanted = false;

/** Tells the next page's head to take the focus. */
export function wantFocus(): void {
  wanted = true;
}

/** True once for each time it was wanted. */
export function takeFocus(): boolean {
  const taken = wanted;
  wanted = false;
  return taken;
}

/** Which page an address is: the tabs of one thing are one page. */
export function pageOf(location: string): string {
  return location.split("/").slice(0, 3).join("/");
}
