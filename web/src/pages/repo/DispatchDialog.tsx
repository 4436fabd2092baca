// The form that starts a workflow by hand: its inputs by type.
import { type FormEvent, useState } from "react";
import { useNavigate } from "react-router";
import type { DispatchInput, Workflow } from "../../api/types.ts";
import { dispatch } from "../../api/writes.ts";
import { Dialog } from "../../ui/Dialog.tsx";
import { Field, type FieldIds } from "../../ui/Fields.tsx";
import { ProblemBox } from "../../ui/Problem.tsx";
import { useWrite } from "../../ui/action.tsx";
import { type Values, initial, problems, sent } from "./inputs.ts";

interface Props {
  repo: string;
  branch: string | null;
  workflow: Workflow;
  onClose: () => void;
}

export function DispatchDialog({ repo, branch, workflow, onClose }: Props) {
  const navigate = useNavigate();
  const inputs = workflow.dispatch?.inputs ?? [];
  const [ref, setRef] = useState(branch ?? "");
  const [values, setValues] = useState<Values>(() => initial(inputs));
  const [shown, setShown] = useState<Record<string, string>>({});
  const start = useWrite(
    () =>
      dispatch(repo, { workflow: workflow.path, ref: ref || null, inputs: sent(inputs, values) }),
    {
      refresh: ["runs"],
      done: `${workflow.name} is asked for; its run appears in a moment`,
      then: ({ event }) => {
        onClose();
        void navigate(`/events/${event}`);
      },
    },
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const found = problems(inputs, values);
    setShown(found);
    if (Object.keys(found).length === 0) start.mutate(undefined);
  };
  return (
    <Dialog title={`Run ${workflow.name}`} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <Field label="Branch or tag" hint={branch ? `The default branch is ${branch}.` : "Empty is the default branch."}>
          {(ids) => <input {...ids} className="input" value={ref} onChange={(event) => setRef(event.target.value)} />}
        </Field>
        {inputs.map((input) => (
          <InputField
            key={input.name}
            input={input}
            value={values[input.name] ?? ""}
            error={shown[input.name] ?? null}
            onChange={(value) => setValues({ ...values, [input.name]: value })}
          />
        ))}
        {start.isError && <ProblemBox error={start.error} />}
        <div className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" className="button primary" disabled={start.isPending}>
            {start.isPending ? "Starting…" : "Run workflow"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface InputProps {
  input: DispatchInput;
  value: string | boolean;
  error: string | null;
  onChange: (value: string | boolean) => void;
}

function InputField({ input, value, error, onChange }: InputProps) {
  const label = input.required ? `${input.name} (required)` : input.name;
  return (
    <Field label={label} hint={input.description} error={error}>
      {(ids) => <Control ids={ids} input={input} value={value} onChange={onChange} />}
    </Field>
  );
}

function Control({ ids, input, value, onChange }: Omit<InputProps, "error"> & { ids: FieldIds }) {
  if (input.type === "boolean") {
    return <input {...ids} type="checkbox" checked={value === true} onChange={(event) => onChange(event.target.checked)} />;
  }
  if (input.type === "choice") {
    return (
      <select {...ids} className="input" value={String(value)} onChange={(event) => onChange(event.target.value)}>
        {input.options.map((option) => (
          <option key={option}>{option}</option>
        ))}
      </select>
    );
  }
  return (
    <input
      {...ids}
      className="input"
      inputMode={input.type === "number" ? "decimal" : undefined}
      required={input.required}
      value={String(value)}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}
