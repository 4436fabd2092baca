import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { LogText } from "./LogText.tsx";
import { parseLines } from "./useLog.ts";

const html = (text: string, find = "") => renderToStaticMarkup(<LogText text={text} find={find} />);

describe("the text of a line", () => {
  it("marks a hit that begins in one colour and ends in another", () => {
    expect(html("a\x1b[31mbc\x1b[0md", "BCD")).toBe(
      '<span>a</span><span class="ansi-fg-1"><mark>bc</mark></span><span><mark>d</mark></span>',
    );
  });

  it("marks every hit of a line", () => {
    expect(html("aXbxc", "x").match(/<mark>/g)).toHaveLength(2);
  });

  it("links addresses without what ends the sentence, and shows markup as it is", () => {
    expect(html("see https://a.example/b?c=1).")).toContain('href="https://a.example/b?c=1"');
    expect(html('<img src=x onerror="y">')).not.toContain("<img");
    expect(html("javascript://x")).not.toContain("<a");
  });

  it("turns colours around, so that the text can be read", () => {
    expect(html("\x1b[7;32mx")).toBe('<span class="ansi-bg-2">x</span>');
    expect(html("\x1b[7mx")).toContain("ansi-bg-inverse");
  });
});

describe("lines from the hub", () => {
  it("are read one by one, and a broken one is shown", () => {
    expect(parseLines('{"t":"2026-01-01T00:00:00Z","text":"a"}\n\n{"t":\n').map((line) => line.text)).toEqual(["a", '{"t":']);
  });
});
