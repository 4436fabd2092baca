// Dark, light or as the system says. `public/theme.js` sets it before the first paint.
import { useEffect, useState } from "react";

export type Theme = "auto" | "light" | "dark";

const KEY = "gantry.theme";
const ORDER: Theme[] = ["auto", "light", "dark"];

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "auto";
  } catch {
    return "auto";
  }
}

export function useTheme(): { theme: Theme; next: () => void } {
  const [theme, setTheme] = useState(stored);
  useEffect(() => {
    if (theme === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    try {
      if (theme === "auto") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // Storage is forbidden: the choice lasts as long as the page.
    }
  }, [theme]);
  return { theme, next: () => setTheme((now) => ORDER[(ORDER.indexOf(now) + 1) % ORDER.length] ?? "auto") };
}
