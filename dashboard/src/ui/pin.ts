/** The record that is opened: its id and its time are in the address, so that it is found however many came after it. */

import type { Pin } from "../api/queries";
import { useAddress } from "./address";

/** The pin in the address, and a way to open a record, or to close the one that is open. */
export function usePin(name: string): [Pin | null, (pin: Pin | null) => void] {
  const [params, change] = useAddress();
  const id = params.get(name);
  const at = Number(params.get("at") ?? NaN);
  const set = (pin: Pin | null) => change({ [name]: pin?.id ?? null, at: pin === null ? null : String(pin.at) });
  return [id === null || !Number.isSafeInteger(at) ? null : { id, at }, set];
}
