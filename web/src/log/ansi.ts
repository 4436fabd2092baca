// Terminal colours of a log line: text with SGR sequences in, spans with a style out. Other sequences are dropped, and
// of a line that a carriage return overwrites, what a terminal would show at the end is kept.

/** How a span looks. Colours 0–15 are names of the theme; others are written out. */
export interface Style {
  fg?: number | string;
  bg?: number | string;
  bold?: boolean;
  dim?: boolean;
  italic?: boolean;
  underline?: boolean;
  inverse?: boolean;
  strike?: boolean;
}

export interface Span {
  text: string;
  style: Style;
}

// CSI … final byte; OSC … BEL or ST; two-byte escapes; other control characters but tab.
const SEQUENCE = /\x1b\[([0-9;:?<=>]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_`-~]?|[\x00-\x08\x0b-\x1f\x7f]/g;

/** The spans of a line; `carry` is the style that the line before left, and is changed. */
export function parseAnsi(line: string, carry: Style = {}): Span[] {
  const source = lastOverwrite(line);
  const spans: Span[] = [];
  let at = 0;
  const push = (text: string) => {
    if (!text) return;
    const last = spans.at(-1);
    if (last && same(last.style, carry)) last.text += text;
    else spans.push({ text, style: { ...carry } });
  };
  for (const match of source.matchAll(SEQUENCE)) {
    push(source.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] === "m") applySgr(match[1] ?? "", carry);
  }
  push(source.slice(at));
  return spans;
}

/** The line without any sequence, for search and copying. */
export function plain(line: string): string {
  return line.includes("\x1b") || line.includes("\r") ? lastOverwrite(line).replace(SEQUENCE, "") : line;
}

function lastOverwrite(line: string): string {
  if (!line.includes("\r")) return line;
  const parts = line.split("\r").filter((part) => part.replace(SEQUENCE, "") !== "");
  return parts.at(-1) ?? "";
}

function same(a: Style, b: Style): boolean {
  return (
    a.fg === b.fg &&
    a.bg === b.bg &&
    a.bold === b.bold &&
    a.dim === b.dim &&
    a.italic === b.italic &&
    a.underline === b.underline &&
    a.inverse === b.inverse &&
    a.strike === b.strike
  );
}

const FLAGS: Record<number, [keyof Style, boolean][]> = {
  1: [["bold", true]],
  2: [["dim", true]],
  3: [["italic", true]],
  4: [["underline", true]],
  7: [["inverse", true]],
  9: [["strike", true]],
  21: [["bold", false]],
  22: [["bold", false], ["dim", false]],
  23: [["italic", false]],
  24: [["underline", false]],
  27: [["inverse", false]],
  29: [["strike", false]],
};

function applySgr(params: string, style: Style): void {
  const codes = params.split(/[;:]/).map((code) => (code === "" ? 0 : Number(code)));
  for (let index = 0; index < codes.length; index++) {
    const code = codes[index] ?? 0;
    if (code === 0) clear(style);
    else if (FLAGS[code]) for (const [flag, on] of FLAGS[code]) set(style, flag, on || undefined);
    else if (code >= 30 && code <= 37) style.fg = code - 30;
    else if (code >= 90 && code <= 97) style.fg = code - 82;
    else if (code >= 40 && code <= 47) style.bg = code - 40;
    else if (code >= 100 && code <= 107) style.bg = code - 92;
    else if (code === 39) delete style.fg;
    else if (code === 49) delete style.bg;
    else if (code === 38 || code === 48) {
      const [color, used] = extended(codes, index + 1);
      if (color !== null) style[code === 38 ? "fg" : "bg"] = color;
      index += used;
    }
  }
}

/** The colour of `5;n` or `2;r;g;b`, and how many numbers it took. */
function extended(codes: number[], at: number): [number | string | null, number] {
  if (codes[at] === 5) return [indexed(codes[at + 1] ?? 0), 2];
  if (codes[at] === 2) {
    const [r, g, b] = [codes[at + 1], codes[at + 2], codes[at + 3]].map((v) => Math.min(255, Math.max(0, v ?? 0)));
    return [`rgb(${r} ${g} ${b})`, 4];
  }
  return [null, 0];
}

/** One of the 256 colours: 16 names, a cube of 6 × 6 × 6, 24 greys. */
function indexed(color: number): number | string | null {
  if (!(color >= 0 && color <= 255)) return null;
  if (color < 16) return color;
  if (color >= 232) {
    const grey = 8 + (color - 232) * 10;
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const level = (value: number) => (value === 0 ? 0 : 55 + value * 40);
  const cube = color - 16;
  return `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`;
}

function clear(style: Style): void {
  for (const key of Object.keys(style) as (keyof Style)[]) delete style[key];
}

function set(style: Style, flag: keyof Style, on: boolean | undefined): void {
  if (on === undefined) delete style[flag];
  else (style as Record<string, boolean>)[flag] = on;
}
