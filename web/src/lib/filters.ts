// Filters live in the address, so that a view can be linked to and the back button works.
import { useCallback } from "react";
import { useSearchParams } from "react-router";

export type Filters = Record<string, string>;

export function useFilters(names: readonly string[]): [Filters, (name: string, value: string) => void, () => void] {
  const [params, setParams] = useSearchParams();
  const filters: Filters = {};
  for (const name of names) filters[name] = params.get(name) ?? "";
  const set = useCallback(
    (name: string, value: string) => {
      setParams(
        (old) => {
          const next = new URLSearchParams(old);
          if (value) next.set(name, value);
          else next.delete(name);
          return next;
        },
        { replace: true },
      );
    },
    [setParams],
  );
  const clear = useCallback(() => setParams(new URLSearchParams(), { replace: true }), [setParams]);
  return [filters, set, clear];
}

export function anySet(filters: Filters): boolean {
  return Object.values(filters).some((value) => value !== "");
}
