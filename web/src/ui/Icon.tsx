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
  branch: "M5 3v10M5 3.2a0 0 0 1 0 0 0M5 13a0 0 0 1 0 0 0M11 4v1.5A2.5 2.5 0 0 1 8.500 8H7.500A2.500 2.500 0 0 0 5 10.500",
  commit: "M1.500 8h4M10.500 8h4M10.500 8a2.500 2.500 0 1 1-5 0 2.500 2.500 0 0 1 5 0z",
  download: "M8 2.500v8M4.800 7.500 8 10.700l3.200-3.200M3 13.500h10",
  copy: "M5.500 5.500h7v8h-7zM10.500 5.500v-3h-7v8h2",
  chevron: "M6 4l4 4-4 4",
  down: "M4 6l4 4 4-4",
  close: "M4 4l8 8M12 4l-8 8",
  menu: "M2.500 4.500h11M2.500 8h11M2.500 11.500h11",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1.100 1.100M11.900 11.900 13 13M3 13l1.100-1.100M11.900 4.100 13 3",
  moon: "M13.500 9.700A6 6 0 1 1 6.300 2.500a4.800 4.800 0 0 0 7.200 7.200z",
  auto: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 1 1 0 12",
  play: "M5 3.500v9l7.500-4.500z",
  again: "M13 8a5 5 0 1 1-1.600-3.700M13 2v3h-3",
  stop: "M4.500 4.500h7v7h-7z",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
  box: "M2.500 5 8 2l5.500 3v6L8 14l-5.500-3zM2.500 5 8 8l5.500-3M8 8v6",
  question: "M6.200 6.200a1.900 1.900 0 1 1 2.700 1.700c-.6.3-.9.7-.9 1.300M8 11.500v.1M8 14.500a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13z",
  external: "M6 3.500H3v9.500h9.500V10M9 2.500h4.500V7M13.500 2.500 7.500 8.500",
  key: "M9.500 8.500a3 3 0 1 0-2.800-2L2.500 10.800v2.700h2.700v-1.700h1.700v-1.700l1.700-1.700z",
  person: "M8 8a2.800 2.800 0 1 0 0-5.600A2.800 2.800 0 0 0 8 8zM2.800 13.800a5.200 5.200 0 0 1 10.400 0",
  warning: "M8 2 14.500 13.500h-13zM8 6.500V9.500M8 11.400v.1",
  list: "M5.500 4h8M5.500 8h8M5.500 12h8M2.500 4h.1M2.500 8h.1M2.500 12h.1",
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
      return <path className="ring" d="M2.500 3h11v4h-11zM2.500 9h11v4h-11zM5 5h.1M5 11h.1" />;
    case "shield":
      return <path className="ring" d="M8 1.800 13 3.600v4c0 3-2 5.200-5 6.600-3-1.400-5-3.600-5-6.600v-4z" />;
    case "cloud":
      return <path className="ring" d="M4.500 12.500a3 3 0 0 1-.3-6 4 4 0 0 1 7.700.8 2.600 2.600 0 0 1-.4 5.200z" />;
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
