import { afterEach, describe, expect, it, vi } from "vitest";
import { EventParser, type ServerEvent, subscribe } from "./sse.ts";

describe("the parser of server-sent events", () => {
  it("puts together what came in pieces", () => {
    const parser = new EventParser();
    expect(parser.feed("id: 7\nevent: ru")).toEqual([]);
    expect(parser.feed('n\ndata: {"a":1}\n')).toEqual([]);
    expect(parser.feed("\nevent: x\n")).toEqual([{ event: "run", data: '{"a":1}', id: "7" }]);
    expect(parser.feed("\n")).toEqual([{ event: "x", data: "", id: "7" }]);
  });

  it("joins data lines, skips comments, takes any line end", () => {
    const parser = new EventParser();
    expect(parser.feed(": alive\r\ndata: a\r\ndata:b\r\nretry: 500\r\n\r\n")).toEqual([
      { event: "message", data: "a\nb", id: null },
    ]);
    expect(parser.retry).toBe(500);
  });
});

const encode = (text: string) => new Response(text, { headers: { "content-type": "text/event-stream" } });

describe("a subscription", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("resumes after the last id, and stops at the ending event", async () => {
    const seen: (string | null)[] = [];
    const answers = ["id: 10\nevent: lines\ndata: a\n\n", "id: 20\nevent: lines\ndata: b\n\nevent: end\ndata:\n\n"];
    vi.stubGlobal("fetch", (_address: string, init: RequestInit) => {
      seen.push(new Headers(init.headers).get("last-event-id"));
      return Promise.resolve(encode(answers[seen.length - 1] ?? ""));
    });
    const events: ServerEvent[] = [];
    const states: string[] = [];
    await new Promise<void>((done) => {
      subscribe({
        address: () => "/stream",
        endsWith: "end",
        onState: (state) => states.push(state),
        onEvent: (event) => {
          events.push(event);
          if (event.event === "end") done();
        },
      });
    });
    expect(seen).toEqual([null, "10"]);
    expect(events.map((event) => event.data)).toEqual(["a", "b", ""]);
    expect(states).toEqual(["connecting", "live", "reconnecting", "live"]);
  });

  it("does not insist when it is refused", async () => {
    let calls = 0;
    vi.stubGlobal("fetch", () => {
      calls += 1;
      return Promise.resolve(new Response("", { status: 401 }));
    });
    const state = await new Promise<string>((done) => {
      const stop = subscribe({
        address: () => "/stream",
        onEvent: () => undefined,
        onState: (state) => {
          if (state === "refused") {
            stop();
            done(state);
          }
        },
      });
    });
    expect([state, calls]).toEqual(["refused", 1]);
  });
});
