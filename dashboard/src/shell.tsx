/** What is around every page: navigation, theme, who is signed in. */

import { useEffect, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { fetchResult } from "./api/client";
import { useSession } from "./api/queries";
import { Button, SelectInput } from "./ui/controls";
import { pageOf, wantFocus } from "./ui/focus";

const NAVIGATION = [
  { href: "/", label: "Overview", icon: "M3 12l9-8 9 8M6 10v10h12V10" },
  { href: "/services", label: "VPC Services", icon: "M4 5h16v5H4zM4 14h16v5H4zM8 7.5h.01M8 16.5h.01" },
  { href: "/tunnels", label: "Tunnels", icon: "M4 19v-6a8 8 0 0 1 16 0v6M9 19v-5a3 3 0 0 1 6 0v5" },
  { href: "/workers", label: "Workers", icon: "M13 3L5 14h6l-1 7 8-11h-6z" },
  { href: "/errors", label: "Errors", icon: "M12 4l9 16H3zM12 10v4M12 17h.01" },
  { href: "/access", label: "Access", icon: "M15 7a4 4 0 1 0-3.9 5L4 19v2h4v-2h2v-2h2l1.5-1.7" },
] as const;

const THEMES = [
  { id: "system", label: "System" },
  { id: "light", label: "Light" },
  { id: "dark", label: "Dark" },
];

function ThemeChoice() {
  const [theme, setTheme] = useState(() => document.documentElement.dataset.theme ?? "system");
  const choose = (next: string) => {
    setTheme(next);
    try {
      if (next === "system") {
        delete document.documentElement.dataset.theme;
        localStorage.removeItem("culvert-theme");
      } else {
        document.documentElement.dataset.theme = next;
        localStorage.setItem("culvert-theme", next);
      }
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  };
  return <SelectInput label="Theme" compact value={theme} options={THEMES} onChange={choose} />;
}

/** After going to another page its head asks for the focus, as a browser would give it to a page that it loads. */
function useFocusOnPage(location: string) {
  const first = useRef(true);
  const page = pageOf(location);
  // Before the effects of the page itself, in which its head takes the focus.
  useLayoutEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    window.scrollTo(0, 0);
    wantFocus();
  }, [page]);
}

export function Shell({ children, onSignedOut }: { children: ReactNode; onSignedOut: () => void }) {
  const session = useSession();
  const [location] = useLocation();
  const [openAt, setOpenAt] = useState<string | null>(null);
  // Going somewhere closes the drawer.
  const open = openAt === location;
  useFocusOnPage(location);

  useEffect(() => {
    if (!open) return;
    const close = (event: KeyboardEvent) => {
      if (event.key === "Escape") setOpenAt(null);
    };
    window.addEventListener("keydown", close);
    return () => window.removeEventListener("keydown", close);
  }, [open]);

  const signOut = async () => {
    try {
      await fetchResult("/session", { method: "DELETE" });
    } finally {
      onSignedOut();
    }
  };

  return (
    <div className="shell">
      <a className="skip-link" href="#content">Skip to the content</a>
      <div className="topbar">
        <Brand />
        <Button aria-label="Menu" aria-expanded={open} aria-controls="navigation" onPress={() => setOpenAt(open ? null : location)}>
          <Icon path="M4 6h16M4 12h16M4 18h16" />
        </Button>
      </div>
      {open ? <button type="button" className="sidebar-scrim" aria-label="Close the menu" onClick={() => setOpenAt(null)} /> : null}
      <div className="sidebar" id="navigation" data-open={open ? "" : undefined}>
        <Brand />
        <nav aria-label="Main">
          <ul className="nav-list">
            {NAVIGATION.map((item) => {
              const here = item.href === "/" ? location === "/" : location === item.href || location.startsWith(`${item.href}/`);
              return (
                <li key={item.href}>
                  <Link href={item.href} className="nav-link" aria-current={here ? "page" : undefined}>
                    <Icon path={item.icon} />
                    {item.label}
                  </Link>
                </li>
              );
            })}
          </ul>
        </nav>
        <div className="sidebar-foot">
          <ThemeChoice />
          <div className="small">
            <div>{session.name}</div>
            <div className="muted">Account {session.account.name} · Culvert {session.version}</div>
          </div>
          <Button small onPress={() => void signOut()}>Sign out</Button>
        </div>
      </div>
      <main className="content" id="content" tabIndex={-1}>
        <div className="content-inner">{children}</div>
      </main>
    </div>
  );
}

function Brand() {
  return (
    <Link href="/" className="brand">
      <img src="/favicon.svg" alt="" width="26" height="26" />
      Culvert
    </Link>
  );
}

function Icon({ path }: { path: string }) {
  return (
    <svg viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}
