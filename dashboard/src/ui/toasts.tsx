/** Short news: something was saved, something was deleted. Told to screen readers, gone after a while. */

import { useSyncExternalStore } from "react";

interface Toast {
  id: number;
  text: string;
}

let toasts: readonly Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();

function publish(changed: readonly Toast[]): void {
  toasts = changed;
  listeners.forEach((listener) => listener());
}

export function tell(text: string): void {
  const toast = { id: next, text };
  next += 1;
  publish([...toasts, toast].slice(-4));
  setTimeout(() => publish(toasts.filter((item) => item !== toast)), 6_000);
}

export function Toasts() {
  const shown = useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => <div key={toast.id} className="note ok">{toast.text}</div>)}
    </div>
  );
}
