// The lines of one attempt's log and how they nest: sections (one per step, one before, one after) and groups. Pure:
// lines go in as they come, rows to show come out.
import type { LogLine } from "../api/types.ts";
import { plain } from "./ansi.ts";

/** Key of a section: a step's index, or what is around the steps. */
export type SectionKey = number | "start" | "end";

/** A row on screen: a section's head, or a line by its index. */
export type Row = { section: SectionKey } | number;

export interface Fold {
  /** Sections that are open. */
  sections: ReadonlySet<SectionKey>;
  /** Lines that open a group which the reader turned around from its usual state. */
  turned: ReadonlySet<number>;
}

interface Section {
  lines: number[];
  /** Group lines that are not closed yet. */
  open: number[];
}

export class LogModel {
  readonly lines: LogLine[] = [];
  /** How many groups a line lies in. */
  readonly depth: number[] = [];
  /** For a line that opens a group: the index of the line that closes it, once it is known. */
  readonly closedAt = new Map<number, number>();
  /** Groups with an error in them: they stay open. */
  private readonly withError = new Set<number>();
  private readonly sections = new Map<SectionKey, Section>();
  private seenStep = false;

  append(lines: readonly LogLine[]): void {
    for (const line of lines) this.push(line);
  }

  sectionOf(index: number): SectionKey {
    const line = this.lines[index];
    if (line?.step !== undefined) return line.step;
    return this.sections.get("start")?.lines.includes(index) ? "start" : "end";
  }

  linesIn(key: SectionKey): readonly number[] {
    return this.sections.get(key)?.lines ?? [];
  }

  has(key: SectionKey): boolean {
    return this.sections.has(key);
  }

  /** Whether a group is folded: by habit once it has ended without an error, unless the reader turned it. */
  isFolded(group: number, fold: Fold): boolean {
    const usual = this.closedAt.has(group) && !this.withError.has(group);
    return fold.turned.has(group) ? !usual : usual;
  }

  /** Rows in order: `keys` are the sections to show. */
  rows(keys: readonly SectionKey[], fold: Fold): Row[] {
    const rows: Row[] = [];
    for (const key of keys) {
      rows.push({ section: key });
      if (!fold.sections.has(key)) continue;
      const lines = this.linesIn(key);
      let until = -1;
      for (const index of lines) {
        if (index <= until) continue;
        const kind = this.lines[index]?.kind;
        if (kind === "end_group") continue;
        rows.push(index);
        if (kind === "group" && this.isFolded(index, fold)) until = this.closedAt.get(index) ?? Number.POSITIVE_INFINITY;
      }
    }
    return rows;
  }

  /** Indices of the lines with `text` in them, in the order of the log. */
  find(text: string): number[] {
    const wanted = text.toLowerCase();
    if (!wanted) return [];
    const hits: number[] = [];
    this.lines.forEach((line, index) => {
      if (line.kind !== "end_group" && plain(line.text).toLowerCase().includes(wanted)) hits.push(index);
    });
    return hits;
  }

  /** Groups that must be open for a line to be seen. */
  groupsAround(index: number): number[] {
    const around: number[] = [];
    for (const group of this.linesIn(this.sectionOf(index))) {
      if (group >= index) break;
      if (this.lines[group]?.kind === "group" && (this.closedAt.get(group) ?? Number.POSITIVE_INFINITY) >= index) {
        around.push(group);
      }
    }
    return around;
  }

  private push(line: LogLine): void {
    const index = this.lines.length;
    this.lines.push(line);
    if (line.step !== undefined) this.seenStep = true;
    const key: SectionKey = line.step ?? (this.seenStep ? "end" : "start");
    let section = this.sections.get(key);
    if (!section) {
      section = { lines: [], open: [] };
      this.sections.set(key, section);
    }
    section.lines.push(index);
    if (line.kind === "end_group") {
      const group = section.open.pop();
      if (group !== undefined) this.closedAt.set(group, index);
    }
    this.depth.push(section.open.length);
    if (line.kind === "group") section.open.push(index);
    if (line.kind === "error") for (const group of section.open) this.withError.add(group);
  }
}
