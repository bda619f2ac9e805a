/** State that lives in the address, so that what one person sees another can be sent. */

import { useCallback } from "react";
import { useSearchParams } from "wouter";

export type Changes = Record<string, string | null>;

/** The address's parameters, and a way to change several of them at once. An empty value takes one away. */
export function useAddress(): [URLSearchParams, (changes: Changes, options?: { replace?: boolean }) => void] {
  const [params, setParams] = useSearchParams();
  const change = useCallback(
    (changes: Changes, { replace = true }: { replace?: boolean } = {}) => {
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          for (const [name, value] of Object.entries(changes)) {
            if (value === null || value === "") next.delete(name);
            else next.set(name, value);
          }
          return next;
        },
        { replace },
      );
    },
    [setParams],
  );
  return [params, change];
}
