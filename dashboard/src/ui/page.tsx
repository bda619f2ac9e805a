/** The parts of every page: head, tabs, panels, facts, times, badges. */

import { Fragment, useEffect, useRef, useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import type { Category } from "../api/types";
import { formatRelative, formatTime, formatUtc, isMoment } from "../model/time";
import type { Health } from "../model/health";
import { pageOf, takeFocus } from "./focus";

/** Names the page: in its head, in the window's title. */
export function PageHead({ title, lead, crumb, badge, actions }: { title: string; lead?: ReactNode; crumb?: { href: string; label: string }; badge?: ReactNode; actions?: ReactNode }) {
  useEffect(() => {
    document.title = crumb === undefined ? `${title} · Culvert` : `${title} · ${crumb.label} · Culvert`;
  }, [title, crumb]);
  const heading = useRef<HTMLHeadingElement>(null);
  const [location] = useLocation();
  const page = pageOf(location);
  useEffect(() => {
    if (takeFocus()) heading.current?.focus({ preventScroll: true });
  }, [page]);
  return (
    <header className="page-head">
      <div>
        {crumb === undefined ? null : <nav className="crumbs" aria-label="Breadcrumb"><Link href={crumb.href}>{crumb.label}</Link></nav>}
        <div className="page-title">
          <h1 ref={heading} tabIndex={-1}>{title}</h1>
          {badge}
        </div>
        {lead === undefined ? null : <p className="page-lead">{lead}</p>}
      </div>
      {actions === undefined || actions === null ? null : <div className="actions">{actions}</div>}
    </header>
  );
}

/** Pages of one thing. Links, so that each has an address. */
export function Tabs({ label, items }: { label: string; items: readonly { href: string; label: string }[] }) {
  const [location] = useLocation();
  return (
    <nav aria-label={label}>
      <ul className="tabs">
        {items.map((item) => (
          <li key={item.href}>
            <Link href={item.href} aria-current={location === item.href ? "page" : undefined}>{item.label}</Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

export function Panel({ title, aside, flush = false, children }: { title?: string; aside?: ReactNode; flush?: boolean; children: ReactNode }) {
  return (
    <section className={`panel${flush ? " flush" : ""}`} aria-label={title}>
      {title === undefined && aside === undefined ? null : (
        <div className="panel-head">
          {title === undefined ? <span /> : <h2>{title}</h2>}
          {aside === undefined ? null : <div className="muted small">{aside}</div>}
        </div>
      )}
      {children}
    </section>
  );
}

export function Facts({ items }: { items: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="facts">
      {items.map(([name, value]) => (
        <FactRow key={name} name={name} value={value} />
      ))}
    </dl>
  );
}

function FactRow({ name, value }: { name: string; value: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}

let ticking: { listeners: Set<() => void>; timer: ReturnType<typeof setInterval> } | null = null;

/** The present, told every ten seconds; one timer for all who ask. */
export function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const listener = () => setNow(Date.now());
    ticking ??= { listeners: new Set(), timer: setInterval(() => ticking?.listeners.forEach((each) => each()), 10_000) };
    ticking.listeners.add(listener);
    return () => {
      ticking?.listeners.delete(listener);
      if (ticking?.listeners.size === 0) {
        clearInterval(ticking.timer);
        ticking = null;
      }
    };
  }, []);
  return now;
}

/** A time in the reader's zone, or how long ago; in UTC on hover. */
export function Time({ at, form = "relative" }: { at: number | string | null | undefined; form?: "relative" | "full" | "short" | "clock" | "precise" }) {
  const now = useNow();
  if (at === null || at === undefined) return <span className="muted">never</span>;
  const time = typeof at === "number" ? at : Date.parse(at);
  if (!isMoment(time)) return <span className="muted">unknown</span>;
  const words = form === "relative" ? formatRelative(time, now) : formatTime(time, form);
  return <time className="nowrap" dateTime={new Date(time).toISOString()} title={formatUtc(time)}>{words}</time>;
}

export function Badge({ health, children }: { health: Health | "none"; children: ReactNode }) {
  return <span className={`badge ${health}`}>{children}</span>;
}

const SWATCH: Record<Category, string> = { "Bad Upstream": "upstream", Client: "client", Internal: "internal" };

export function CategoryName({ category }: { category: Category }) {
  return <span className="category"><i className={`swatch ${SWATCH[category]}`} aria-hidden="true" />{category}</span>;
}

export function CodeLink({ code }: { code: string }) {
  return <Link href={`/errors/${code}`}><CodeName code={code} /></Link>;
}

/** A code that may break after its underscores and nowhere else. */
export function CodeName({ code }: { code: string }) {
  return <code className="code-name">{code.split("_").map((part, index) => <Fragment key={index}>{index === 0 ? "" : <>_<wbr /></>}{part}</Fragment>)}</code>;
}
