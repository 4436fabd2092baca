// The icons, drawn for a 16 × 16 grid. Decorative: the word stands beside them.

const PATHS = {
  check: "M5 8.3 7.2 10.5 11.2 6",
  cross: "M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4",
  slash: "M5.2 10.8l5.6-5.6",
  skip: "M5 5.5 7.7 8 5 10.5M8.6 5.5 11.3 8 8.6 10.5",
  clock: "M8 4.8V8l2.2 1.6",
  hand: "M8 4.6v4M8 11v.2",
} as const;

const LINES = {
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.8 10.8 14 14",
  branch:
    "M5 5.5v5M5 2.5a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3zM5 10.5a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3zM11 2.5a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3zM11 5.5v1A2.5 2.5 0 0 1 8.5 9h-1A2.5 2.5 0 0 0 5 10.5",
  commit: "M1.5 8h4M10.5 8h4M10.5 8a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0z",
  download: "M8 2.5v8M4.8 7.5 8 10.7l3.2-3.2M3 13.5h10",
  copy: "M5.5 5.5h7v8h-7zM10.5 5.5v-3h-7v8h2",
  chevron: "M6 4l4 4-4 4",
  down: "M4 6l4 4 4-4",
  close: "M4 4l8 8M12 4l-8 8",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1.1 1.1M11.9 11.9 13 13M3 13l1.1-1.1M11.9 4.1 13 3",
  moon: "M13.5 9.7A6 6 0 1 1 6.3 2.5a4.8 4.8 0 0 0 7.2 7.2z",
  auto: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 1 1 0 12",
  play: "M5 3.5v9l7.5-4.5z",
  again: "M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3",
  stop: "M4.5 4.5h7v7h-7z",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
  box: "M2.5 5 8 2l5.5 3v6L8 14l-5.5-3zM2.5 5 8 8l5.5-3M8 8v6",
  question: "M6.2 6.2a1.9 1.9 0 1 1 2.7 1.7c-.6.3-.9.7-.9 1.3M8 11.5v.1M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z",
  external: "M6 3.5H3v9.5h9.5V10M9 2.5h4.5V7M13.5 2.5 7.5 8.5",
  key: "M9.5 8.5a3 3 0 1 0-2.8-2L2.5 10.8v2.7h2.7v-1.7h1.7v-1.7l1.7-1.7z",
  person: "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8zM2.8 13.8a5.2 5.2 0 0 1 10.4 0",
  warning: "M8 2 14.5 13.5h-13zM8 6.5V9.5M8 11.4v.1",
  list: "M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.1M2.5 8h.1M2.5 12h.1",
} as const;

export type IconName = keyof typeof LINES;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={LINES[name]} />
    </svg>
  );
}

export function ShapeIcon({ shape, size = 16 }: { shape: string; size?: number }) {
  return (
    <svg
      className={`shape shape-${shape}`}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      aria-hidden="true"
      focusable="false"
    >
      {shapeOf(shape)}
    </svg>
  );
}

function shapeOf(shape: string) {
  switch (shape) {
    case "spinner":
      return (
        <>
          <circle className="track" cx="8" cy="8" r="6" />
          <path className="arc" d="M8 2a6 6 0 0 1 6 6" />
        </>
      );
    case "queued":
      return (
        <>
          <circle className="ring" cx="8" cy="8" r="6" />
          <circle className="dot" cx="8" cy="8" r="2" />
        </>
      );
    case "waiting":
      return <circle className="ring dashed" cx="8" cy="8" r="6" />;
    case "infra":
      return <path className="ring" d="M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.1M5 11h.1" />;
    case "shield":
      return <path className="ring" d="M8 1.8 13 3.6v4c0 3-2 5.2-5 6.6-3-1.4-5-3.6-5-6.6v-4z" />;
    case "cloud":
      return <path className="ring" d="M4.5 12.5a3 3 0 0 1-.3-6 4 4 0 0 1 7.7.8 2.6 2.6 0 0 1-.4 5.2z" />;
    case "clock":
    case "slash":
    case "skip":
      return (
        <>
          <circle className="ring" cx="8" cy="8" r="6" />
          <path className="ring" d={PATHS[shape]} />
        </>
      );
    default:
      return (
        <>
          <circle className="disc" cx="8" cy="8" r="7" />
          <path className="mark" d={PATHS[shape as "check" | "cross" | "hand"] ?? ""} />
        </>
      );
  }
}
