// Fields of filters and forms: a label for every one.
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { Icon } from "./Icon.tsx";

const PAUSE_MS = 250;

/** A search box that reports when typing pauses. */
export function SearchField({
  value,
  onChange,
  label,
  primary = true,
}: { value: string; onChange: (value: string) => void; label: string; primary?: boolean }) {
  const [text, setText] = useState(value);
  const told = useRef(value);
  useEffect(() => {
    if (value !== told.current) {
      told.current = value;
      setText(value);
    }
  }, [value]);
  useEffect(() => {
    if (text === told.current) return;
    const timer = setTimeout(() => {
      told.current = text;
      onChange(text);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, onChange]);
  return (
    <label className="search">
      <Icon name="search" size={14} />
      <span className="sr-only">{label}</span>
      <input
        type="search"
        value={text}
        placeholder={label}
        onChange={(event) => setText(event.target.value)}
        autoComplete="off"
        spellCheck={false}
        {...(primary ? { "data-search": "" } : {})}
      />
      {primary && <kbd aria-hidden="true">/</kbd>}
    </label>
  );
}

export type Choice = readonly [value: string, label: string];

export function SelectField({
  label,
  value,
  choices,
  onChange,
  all,
}: { label: string; value: string; choices: readonly Choice[]; onChange: (value: string) => void; all?: string }) {
  return (
    <label className={value ? "select set" : "select"}>
      <span className="sr-only">{label}</span>
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        {all !== undefined && <option value="">{all}</option>}
        {value && !choices.some(([one]) => one === value) && <option value={value}>{value}</option>}
        {choices.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Field({
  label,
  hint,
  error,
  children,
}: { label: string; hint?: string | null; error?: string | null; children: (ids: FieldIds) => ReactNode }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-describedby": described, "aria-invalid": error ? true : undefined })}
      {hint && (
        <p id={`${id}-hint`} className="field-hint">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="field-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

export interface FieldIds {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": true | undefined;
}
