// The keyboard: `/` search, `?` help, `j` and `k` through a list, `g` and a letter to a page.
import { useEffect } from "react";
import { useNavigate } from "react-router";

export const PAGES = [
  { path: "/", name: "Fleet", key: "f" },
  { path: "/runs", name: "Runs", key: "r" },
  { path: "/queue", name: "Queue", key: "q" },
  { path: "/runners", name: "Runners", key: "n" },
  { path: "/events", name: "Events", key: "e" },
  { path: "/tokens", name: "Tokens", key: "t" },
] as const;

const GO_MS = 1_500;

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** Moves the focus to the next or the previous row of the page. */
function moveInList(by: 1 | -1): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-nav]")].filter((row) => row.offsetParent !== null);
  if (rows.length === 0) return false;
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by));
  rows[next]?.focus();
  rows[next]?.scrollIntoView({ block: "nearest" });
  return true;
}

export function useKeys(help: () => void): void {
  const navigate = useNavigate();
  useEffect(() => {
    let going = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (typing(event.target)) {
        if (event.key === "Escape") (event.target as HTMLElement).blur();
        return;
      }
      if (document.querySelector("dialog[open]")) return;
      let used = true;
      if (going && event.timeStamp - going < GO_MS) {
        going = 0;
        const page = PAGES.find((page) => page.key === event.key);
        if (page) void navigate(page.path);
        else used = false;
      } else if (event.key === "g") going = event.timeStamp;
      else if (event.key === "/") {
        const search = [...document.querySelectorAll<HTMLInputElement>("[data-search]")].find((one) => one.offsetParent);
        if (search) {
          search.focus();
          search.select();
        } else used = false;
      } else if (event.key === "?") help();
      else if (event.key === "j") used = moveInList(1);
      else if (event.key === "k") used = moveInList(-1);
      else used = false;
      if (used) event.preventDefault();
    };
    document.addEventListener("keydown", onKey, true);
    return () => document.removeEventListener("keydown", onKey, true);
  }, [navigate, help]);
}
