import { describe, expect, it } from "vitest";
import { type Style, parseAnsi, plain } from "./ansi.ts";

describe("terminal colours", () => {
  it("splits a line at its colour changes", () => {
    expect(parseAnsi("a \x1b[31;1mred\x1b[0m z")).toEqual([
      { text: "a ", style: {} },
      { text: "red", style: { fg: 1, bold: true } },
      { text: " z", style: {} },
    ]);
  });

  it("knows bright, 256 and true colours, with either separator", () => {
    expect(parseAnsi("\x1b[92mx")[0]?.style).toEqual({ fg: 10 });
    expect(parseAnsi("\x1b[38;5;9mx")[0]?.style).toEqual({ fg: 9 });
    expect(parseAnsi("\x1b[48;5;196mx")[0]?.style).toEqual({ bg: "rgb(255 0 0)" });
    expect(parseAnsi("\x1b[38;5;244mx")[0]?.style).toEqual({ fg: "rgb(128 128 128)" });
    expect(parseAnsi("\x1b[38:2:1:2:3mx")[0]?.style).toEqual({ fg: "rgb(1 2 3)" });
    expect(parseAnsi("\x1b[38;2;1;2;300;1mx")[0]?.style).toEqual({ fg: "rgb(1 2 255)", bold: true });
  });

  it("takes styles back one by one", () => {
    const spans = parseAnsi("\x1b[1;2;4;32ma\x1b[22mb\x1b[24;39mc");
    expect(spans.map((span) => span.style)).toEqual([
      { bold: true, dim: true, underline: true, fg: 2 },
      { underline: true, fg: 2 },
      {},
    ]);
  });

  it("carries a style to the next line", () => {
    const carry: Style = {};
    parseAnsi("\x1b[33mopen", carry);
    expect(parseAnsi("still", carry)[0]?.style).toEqual({ fg: 3 });
  });

  it("drops what is not a colour: cursor moves, titles, links, stray escapes", () => {
    expect(plain("\x1b[2K\x1b[1Gdone\x1b]0;title\x07!\x1b")).toBe("done!");
    expect(plain("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\")).toBe("link");
    expect(parseAnsi("\x1b[?25lx")).toEqual([{ text: "x", style: {} }]);
  });

  it("shows what a carriage return leaves", () => {
    expect(plain("10%\r50%\r100%")).toBe("100%");
    expect(plain("text\r")).toBe("text");
  });
});
