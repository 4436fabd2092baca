// The text of a line: colours, links, and what is searched for.
import type { CSSProperties, ReactNode } from "react";
import { type Span, type Style, parseAnsi } from "./ansi.ts";

const LINK = /https?:\/\/[^\s<>"'`\x00-\x1f]+[^\s<>"'`.,;:!?)\]}\x00-\x1f]/g;

export function LogText({ text, find }: { text: string; find: string }) {
  const spans = text.includes("\x1b") || text.includes("\r") ? parseAnsi(text) : [{ text, style: {} }];
  const marks = find ? hits(spans, find) : [];
  let at = 0;
  return (
    <>
      {spans.map((span, index) => {
        const start = at;
        at += span.text.length;
        const inside = marked(span.text, start, marks);
        const { className, style } = look(span.style);
        return className || style ? (
          <span key={index} className={className} style={style}>
            {inside}
          </span>
        ) : (
          <span key={index}>{inside}</span>
        );
      })}
    </>
  );
}

type Range = readonly [from: number, to: number];

/** Where the wanted text is in the line without its colours. */
function hits(spans: Span[], find: string): Range[] {
  const line = spans.map((span) => span.text).join("").toLowerCase();
  const wanted = find.toLowerCase();
  const found: Range[] = [];
  for (let at = line.indexOf(wanted); at >= 0; at = line.indexOf(wanted, at + wanted.length)) {
    found.push([at, at + wanted.length]);
  }
  return found;
}

function marked(text: string, start: number, marks: Range[]): ReactNode {
  const inside = marks.filter(([from, to]) => from < start + text.length && to > start);
  if (inside.length === 0) return linked(text);
  const parts: ReactNode[] = [];
  let at = 0;
  for (const [from, to] of inside) {
    const a = Math.max(0, from - start);
    const b = Math.min(text.length, to - start);
    if (a > at) parts.push(text.slice(at, a));
    parts.push(<mark key={a}>{text.slice(a, b)}</mark>);
    at = b;
  }
  parts.push(text.slice(at));
  return parts;
}

function linked(text: string): ReactNode {
  if (!text.includes("://")) return text;
  const parts: ReactNode[] = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    parts.push(text.slice(at, match.index));
    parts.push(
      <a key={match.index} href={match[0]} target="_blank" rel="noreferrer noopener nofollow">
        {match[0]}
      </a>,
    );
    at = match.index + match[0].length;
  }
  parts.push(text.slice(at));
  return parts;
}

function look(style: Style): { className: string | undefined; style: CSSProperties | undefined } {
  const [fg, bg] = style.inverse ? [style.bg ?? "bg", style.fg ?? "fg"] : [style.fg, style.bg];
  const classes = [
    typeof fg === "number" ? `ansi-fg-${fg}` : fg === "bg" ? "ansi-fg-inverse" : "",
    typeof bg === "number" ? `ansi-bg-${bg}` : bg === "fg" ? "ansi-bg-inverse" : "",
    style.bold ? "ansi-bold" : "",
    style.dim ? "ansi-dim" : "",
    style.italic ? "ansi-italic" : "",
    style.underline ? "ansi-underline" : "",
    style.strike ? "ansi-strike" : "",
  ].filter(Boolean);
  const written: CSSProperties = {};
  if (typeof fg === "string" && fg.startsWith("rgb")) written.color = fg;
  if (typeof bg === "string" && bg.startsWith("rgb")) written.backgroundColor = bg;
  return {
    className: classes.length > 0 ? classes.join(" ") : undefined,
    style: Object.keys(written).length > 0 ? written : undefined,
  };
}
