// Server-sent events over `fetch`: resumed by id, with growing pauses, closed while the tab is hidden (browsers allow six
// connections to a host without HTTP/2, and a hidden tab should not hold one).

export interface ServerEvent {
  event: string;
  data: string;
  id: string | null;
}

/** Cuts a stream of text into events; what is not finished stays for the next call. */
export class EventParser {
  private rest = "";
  private event = "";
  private data: string[] = [];
  private id: string | null = null;
  /** The pause that the server asked for, in milliseconds. */
  retry: number | null = null;

  feed(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.line(line, events);
    return events;
  }

  private line(line: string, events: ServerEvent[]): void {
    if (line === "") {
      if (this.data.length > 0 || this.event) {
        events.push({ event: this.event || "message", data: this.data.join("\n"), id: this.id });
      }
      this.event = "";
      this.data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id") this.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}

export type Connection = "connecting" | "live" | "reconnecting" | "refused";

export interface Subscription {
  /** Address for the next connection; it is given the last id that was seen. */
  address: (lastId: string | null) => string;
  onEvent: (event: ServerEvent) => void;
  onState?: (state: Connection) => void;
  /** The event after which nothing more comes. */
  endsWith?: string;
  /** The id to resume after. */
  lastId?: string | null;
}

const HIDDEN_MS = 15_000;
const SILENT_MS = 60_000;
const PAUSES_MS = [250, 1_000, 2_000, 5_000, 10_000];

/** Keeps a stream open until the returned function is called. */
export function subscribe(it: Subscription): () => void {
  let closed = false;
  let lastId = it.lastId ?? null;
  let failures = 0;
  let abort: AbortController | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let hiding: ReturnType<typeof setTimeout> | undefined;
  let paused = false;

  const state = (value: Connection) => {
    if (!closed) it.onState?.(value);
  };
  const again = () => {
    if (closed || paused) return;
    state("reconnecting");
    const pause = PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)] ?? 10_000;
    failures += 1;
    timer = setTimeout(() => void connect(), pause * (0.75 + Math.random() / 2));
  };
  const stop = () => {
    closed = true;
    clearTimeout(timer);
    clearTimeout(hiding);
    abort?.abort();
    document.removeEventListener("visibilitychange", onVisibility);
    window.removeEventListener("online", now);
  };

  async function connect(): Promise<void> {
    clearTimeout(timer);
    abort?.abort();
    const controller = new AbortController();
    abort = controller;
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (lastId !== null) headers["last-event-id"] = lastId;
      const answer = await fetch(it.address(lastId), { headers, signal: controller.signal, cache: "no-store" });
      if (answer.status >= 400 && answer.status < 500 && answer.status !== 429 && answer.status !== 408) {
        state("refused");
        return;
      }
      if (!answer.ok || !answer.body) throw new Error(`status ${answer.status}`);
      state("live");
      failures = 0;
      if (await read(answer.body, controller)) return;
    } catch {
      if (controller.signal.aborted && (closed || paused || abort !== controller)) return;
    }
    if (abort === controller) again();
  }

  /** Reads to the end; true when the ending event came. */
  async function read(body: ReadableStream<Uint8Array>, controller: AbortController): Promise<boolean> {
    const parser = new EventParser();
    const decoder = new TextDecoder();
    const reader = body.getReader();
    for (;;) {
      const silence = setTimeout(() => controller.abort(), SILENT_MS);
      const part = await reader.read().finally(() => clearTimeout(silence));
      if (part.done || closed) return closed;
      for (const event of parser.feed(decoder.decode(part.value, { stream: true }))) {
        if (event.id !== null) lastId = event.id;
        it.onEvent(event);
        if (event.event === it.endsWith) {
          stop();
          return true;
        }
      }
    }
  }

  const now = () => {
    failures = 0;
    if (!paused) void connect();
  };
  const onVisibility = () => {
    clearTimeout(hiding);
    if (document.visibilityState === "hidden") {
      hiding = setTimeout(() => {
        paused = true;
        clearTimeout(timer);
        abort?.abort();
      }, HIDDEN_MS);
    } else if (paused) {
      paused = false;
      now();
    }
  };

  document.addEventListener("visibilitychange", onVisibility);
  window.addEventListener("online", now);
  state("connecting");
  void connect();
  return stop;
}
