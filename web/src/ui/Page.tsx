// The head of a page and the frame of a list: loading, failed, empty, rows, more.
import { type ReactNode, useEffect, useRef } from "react";
import { Link } from "react-router";
import { useTitle } from "../lib/title.ts";
import { ProblemBox, SkeletonRows } from "./Problem.tsx";

export function PageHead({
  title,
  heading,
  trail,
  children,
}: { title: string; heading?: ReactNode; trail?: [string, string][]; children?: ReactNode }) {
  useTitle(title);
  return (
    <div className="page-head">
      <div className="page-titles">
        {trail && (
          <nav aria-label="Where this page is" className="trail">
            {trail.map(([name, to]) => (
              <Link key={to} to={to}>
                {name}
              </Link>
            ))}
          </nav>
        )}
        <h1>{heading ?? title}</h1>
      </div>
      {children && <div className="page-actions">{children}</div>}
    </div>
  );
}

interface Listing<T> {
  items: T[] | undefined;
  isPending: boolean;
  isError: boolean;
  error: unknown;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  isPlaceholderData: boolean;
  refetch: () => unknown;
  fetchNextPage: () => unknown;
}

export function List<T>({
  list,
  label,
  empty,
  row,
  filter,
  rowHeight = 44,
  head,
}: {
  list: Listing<T>;
  label: string;
  empty: ReactNode;
  row: (item: T) => ReactNode;
  filter?: (items: T[]) => T[];
  rowHeight?: number;
  head?: ReactNode;
}) {
  if (list.isPending) {
    return (
      <div className="list" aria-busy="true">
        <p className="sr-only" role="status">
          Loading
        </p>
        <SkeletonRows rows={10} height={rowHeight} />
      </div>
    );
  }
  const all = list.items ?? [];
  const items = filter ? filter(all) : all;
  return (
    <>
      {list.isError && <ProblemBox error={list.error} retry={() => void list.refetch()} />}
      {items.length === 0 ? (
        !list.isError && empty
      ) : (
        <div className={list.isPlaceholderData ? "list old" : "list"}>
          {head}
          <ul className="rows" aria-label={label}>
            {items.map(row)}
          </ul>
        </div>
      )}
      {list.hasNextPage && <More loading={list.isFetchingNextPage} more={() => void list.fetchNextPage()} />}
    </>
  );
}

/** Loads the next page when it comes into view, or is pressed. */
function More({ loading, more }: { loading: boolean; more: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  const latest = useRef(more);
  latest.current = more;
  useEffect(() => {
    const element = button.current;
    if (!element || loading) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) latest.current();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [loading]);
  return (
    <button ref={button} type="button" className="button more" disabled={loading} onClick={more}>
      {loading ? "Loading…" : "Load more"}
    </button>
  );
}
