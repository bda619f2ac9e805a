/** State that lives in the address, so that what one person sees another can be sent. */

import { useCallback, useMemo } from "react";
import { useLocation, useSearch } from "wouter";

export type Changes = Record<string, string | null>;

export interface ChangeOptions {
  /** Whether the entry of the browser's history is replaced, as it is unless told otherwise, or another one begins. */
  replace?: boolean;
  /** What the entry remembers besides its address. One that is replaced keeps what it had. */
  state?: unknown;
}

export type Change = (changes: Changes, options?: ChangeOptions) => void;

/** The address's parameters, and a way to change several of them at once. An empty value takes one away. */
export function useAddress(): [URLSearchParams, Change] {
  const search = useSearch();
  const [, navigate] = useLocation();
  const params = useMemo(() => new URLSearchParams(search), [search]);
  const change = useCallback<Change>((changes, { replace = true, state = replace ? (window.history.state as unknown) : null } = {}) => {
    // From the address itself, not from what was rendered last: changes that come together must not undo each other.
    const next = new URLSearchParams(window.location.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") next.delete(name);
      else next.set(name, value);
    }
    const text = next.toString();
    navigate(`${window.location.pathname}${text === "" ? "" : `?${text}`}`, { replace, state });
  }, [navigate]);
  return [params, change];
}

/** Whether something that opens and closes in its place is open: `NAME=shown`, or `NAME=hidden` where it is open unless told otherwise. */
export function useShown(name: string, fallback = false): [boolean, (shown: boolean) => void] {
  const [params, change] = useAddress();
  const value = params.get(name);
  const show = (shown: boolean) => change({ [name]: shown === fallback ? null : shown ? "shown" : "hidden" });
  return [value === null ? fallback : value === "shown", show];
}
