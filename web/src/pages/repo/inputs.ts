// Inputs of `workflow_dispatch`: what a form begins with, what is wrong with it, and what is sent.
import type { DispatchInput } from "../../api/types.ts";

export type Values = Record<string, string | boolean>;

export function initial(inputs: DispatchInput[]): Values {
  return Object.fromEntries(
    inputs.map((input) => {
      if (input.type === "boolean") return [input.name, input.default === "true"];
      if (input.default !== null) return [input.name, input.default];
      return [input.name, input.type === "choice" ? (input.options[0] ?? "") : ""];
    }),
  );
}

/** The problem of each input that has one. */
export function problems(inputs: DispatchInput[], values: Values): Record<string, string> {
  const found: Record<string, string> = {};
  for (const input of inputs) {
    const value = values[input.name];
    if (input.required && value === "") found[input.name] = "This input is required.";
    else if (input.type === "number" && value !== "" && !Number.isFinite(Number(value))) {
      found[input.name] = "A number is wanted.";
    }
  }
  return found;
}

/** Texts, as workflow_dispatch has them; what is empty and not required is left out. */
export function sent(inputs: DispatchInput[], values: Values): Record<string, string> {
  const entries = inputs
    .map((input) => [input.name, String(values[input.name] ?? "")] as const)
    .filter(([name, value]) => value !== "" || inputs.some((one) => one.name === name && one.required));
  return Object.fromEntries(entries);
}
