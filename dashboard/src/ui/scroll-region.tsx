/** What scrolls sideways or down where there is not room for it. Only while it does is it a stop for the keyboard, with a name: nowhere else is there anything to scroll. */

import { useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { Written } from "./words";

export function ScrollRegion({ label, className, children }: { label: string; className: string; children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  const [scrolls, setScrolls] = useState(false);
  const measure = () => {
    const element = box.current;
    if (element !== null) setScrolls(element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight);
  };
  // After every change of what is in it, before anybody sees it; and when the room changes.
  useLayoutEffect(measure);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const resized = new ResizeObserver(measure);
    resized.observe(element);
    return () => resized.disconnect();
  }, []);
  return <div ref={box} className={className} {...(scrolls ? { tabIndex: 0, role: "region", "aria-label": label } : {})}>{children}</div>;
}

/** Text of any length, as it is: a stack, a record, a state. */
export function LongText({ label, text }: { label: string; text: string }) {
  return <ScrollRegion className="long-text" label={label}><pre><Written text={text} /></pre></ScrollRegion>;
}
