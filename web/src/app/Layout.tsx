// The frame of every page: header with navigation and the stream's state, main, help.
import { useCallback, useEffect, useRef, useState } from "react";
import { NavLink, Navigate, Outlet, useLocation } from "react-router";
import { asProblem } from "../api/problem.ts";
import { useMe } from "../api/queries.ts";
import { signOut } from "../api/writes.ts";
import { LiveProvider, useLive } from "../live/Live.tsx";
import { Icon } from "../ui/Icon.tsx";
import { ProblemBox } from "../ui/Problem.tsx";
import { Help } from "./Help.tsx";
import { PAGES, useKeys } from "./keys.ts";
import { useTheme } from "./theme.ts";

export function Layout() {
  const me = useMe();
  const location = useLocation();
  if (me.isPending) return <div className="boot" aria-busy="true" />;
  if (me.isError && !me.data) {
    if (asProblem(me.error).status === 401) {
      const next = location.pathname + location.search;
      return <Navigate to={next === "/" ? "/sign-in" : `/sign-in?next=${encodeURIComponent(next)}`} replace />;
    }
    return (
      <main className="alone">
        <ProblemBox error={me.error} retry={() => void me.refetch()} />
      </main>
    );
  }
  if (me.isError && asProblem(me.error).status === 401) return <Navigate to="/sign-in" replace />;
  return (
    <LiveProvider>
      <Frame name={me.data?.name ?? ""} />
    </LiveProvider>
  );
}

function Frame({ name }: { name: string }) {
  const [help, setHelp] = useState(false);
  const showHelp = useCallback(() => setHelp(true), []);
  useKeys(showHelp);
  const { said } = useLive();
  const main = useRef<HTMLElement>(null);
  return (
    <>
      <a className="skip-link" href="#main">
        Skip to content
      </a>
      <Header name={name} showHelp={showHelp} />
      <main id="main" ref={main} tabIndex={-1}>
        <Outlet />
      </main>
      <div className="sr-only" role="status" aria-live="polite">
        {said}
      </div>
      {help && <Help onClose={() => setHelp(false)} />}
    </>
  );
}

function Header({ name, showHelp }: { name: string; showHelp: () => void }) {
  const [open, setOpen] = useState(false);
  const location = useLocation();
  useEffect(() => setOpen(false), [location.pathname]);
  return (
    <header className="top">
      <NavLink to="/" className="brand" aria-label="Gantry, to the fleet">
        <Brand />
        <span>Gantry</span>
      </NavLink>
      <button
        type="button"
        className="icon-button menu-button"
        aria-expanded={open}
        aria-controls="nav"
        aria-label="Menu"
        onClick={() => setOpen(!open)}
      >
        <Icon name={open ? "close" : "menu"} />
      </button>
      <nav id="nav" aria-label="Pages" className={open ? "nav open" : "nav"}>
        {PAGES.map((page) => (
          <NavLink
            key={page.path}
            to={page.path}
            end={page.path === "/"}
            className={({ isActive }) => (isActive || (page.path === "/" && location.pathname.startsWith("/repos/")) ? "active" : "")}
          >
            {page.name}
          </NavLink>
        ))}
      </nav>
      <div className="top-end">
        <ConnectionSign />
        <ThemeButton />
        <button type="button" className="icon-button" aria-label="Keyboard help" title="Keyboard help (?)" onClick={showHelp}>
          <Icon name="question" />
        </button>
        <SignOut name={name} />
      </div>
    </header>
  );
}

export function Brand() {
  return (
    <svg className="mark" width="20" height="20" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path d="M4 8h24M8 8v18M24 8v18M8 16l8-8 8 8" />
      <rect x="13" y="19" width="6" height="7" rx="1.500" />
    </svg>
  );
}

function ConnectionSign() {
  const { connection } = useLive();
  const words = {
    connecting: ["Connecting", "The page is not live yet."],
    live: ["Live", "Changes are shown as they happen."],
    reconnecting: ["Reconnecting…", "The connection broke; what is shown may be old. It is tried again by itself."],
    refused: ["Not live", "The hub refuses the stream of changes. Reload the page."],
  }[connection];
  return (
    <span className={`connection ${connection}`} title={words[1]} role="status">
      <span className="connection-dot" aria-hidden="true" />
      <span className={connection === "live" ? "connection-word calm" : "connection-word"}>{words[0]}</span>
    </span>
  );
}

function ThemeButton() {
  const { theme, next } = useTheme();
  const icon = { auto: "auto", light: "sun", dark: "moon" } as const;
  const words = { auto: "as the system", light: "light", dark: "dark" };
  return (
    <button type="button" className="icon-button" aria-label={`Theme: ${words[theme]}`} title={`Theme: ${words[theme]}`} onClick={next}>
      <Icon name={icon[theme]} />
    </button>
  );
}

function SignOut({ name }: { name: string }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const close = (event: Event) => {
      if (event instanceof KeyboardEvent ? event.key === "Escape" : !box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", close);
    document.addEventListener("keydown", close);
    return () => {
      document.removeEventListener("pointerdown", close);
      document.removeEventListener("keydown", close);
    };
  }, [open]);
  const leave = async () => {
    await signOut().catch(() => undefined);
    window.location.assign("/sign-in");
  };
  return (
    <div className="who" ref={box}>
      <button
        type="button"
        className="icon-button"
        aria-label={`Signed in as ${name}`}
        aria-expanded={open}
        title={name}
        onClick={() => setOpen(!open)}
      >
        <Icon name="person" />
      </button>
      {open && (
        <div className="menu">
          <p className="muted">Signed in as</p>
          <p className="menu-name">{name}</p>
          <button type="button" className="button" onClick={() => void leave()}>
            Sign out
          </button>
        </div>
      )}
    </div>
  );
}
