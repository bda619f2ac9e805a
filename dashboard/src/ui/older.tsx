/** The end of a list of records: older ones, as many pages of them as the address says. */

import { MOST_PAGES, readPages } from "../model/pages";
import { useAddress } from "./address";
import { Button } from "./controls";

export function usePages(): number {
  const [params] = useAddress();
  return readPages(params);
}

/** `list` is what is shown of it: how many pages, and whether there is more. */
export function Older({ list, busy }: { list: { read: number; more: boolean }; busy: boolean }) {
  const [, change] = useAddress();
  if (!list.more) return null;
  if (list.read >= MOST_PAGES) return <p className="muted">There are older ones. Narrow the filters to see them.</p>;
  return <div><Button isDisabled={busy} onPress={() => change({ pages: String(list.read + 1) })}>Older ones</Button></div>;
}
