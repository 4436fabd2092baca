// Following a log's end: on while it grows, off as soon as the reader scrolls up, on again at the end.
import { type RefObject, useEffect, useLayoutEffect, useRef } from "react";

const NEAR_PX = 24;

export function useFollow(
  area: RefObject<HTMLDivElement | null>,
  rows: number,
  version: number,
  follow: boolean,
  live: boolean,
  setFollow: (on: boolean) => void,
): void {
  const top = useRef(0);

  useLayoutEffect(() => {
    const element = area.current;
    if (!follow || !element) return;
    const down = () => {
      element.scrollTop = element.scrollHeight;
      top.current = element.scrollTop;
    };
    down();
    // Rows get their real height after they are drawn.
    const frame = requestAnimationFrame(down);
    return () => cancelAnimationFrame(frame);
  }, [area, rows, version, follow]);

  useEffect(() => {
    const element = area.current;
    if (!element || !live) return;
    const onScroll = () => {
      const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
      if (element.scrollTop < top.current - 2 && !atEnd) setFollow(false);
      else if (atEnd) setFollow(true);
      top.current = element.scrollTop;
    };
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => element.removeEventListener("scroll", onScroll);
  }, [area, live, setFollow]);
}
