// A refusal of the API as an error that pages can show: title, hint, request id.

export interface ProblemDocument {
  code: string;
  status: number;
  title: string;
  detail?: string | null;
  hint?: string | null;
  request_id?: string | null;
}

/** An answer that is not what was asked for, or no answer at all (status 0). */
export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly detail: string | null;
  readonly hint: string | null;
  readonly requestId: string | null;

  constructor(document: ProblemDocument) {
    super(document.title);
    this.name = "Problem";
    this.code = document.code;
    this.status = document.status;
    this.detail = document.detail ?? null;
    this.hint = document.hint ?? null;
    this.requestId = document.request_id ?? null;
  }
}

/** The problem in an answer, whatever the answer's body is. */
export function problemOf(status: number, body: unknown, requestId: string | null): Problem {
  const document = typeof body === "object" && body !== null ? (body as Partial<ProblemDocument>) : {};
  return new Problem({
    code: document.code ?? "http",
    status,
    title: document.title ?? `The hub answered with status ${status}`,
    detail: document.detail ?? null,
    hint: document.hint ?? null,
    request_id: document.request_id ?? requestId,
  });
}

/** No answer came. */
export function unreachable(): Problem {
  return new Problem({
    code: "unreachable",
    status: 0,
    title: "The hub does not answer",
    hint: "Check that `gantry serve` runs and that this machine reaches it. The page tries again by itself.",
  });
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem({ code: "page", status: 0, title: error instanceof Error ? error.message : String(error) });
}
