// A button that copies a text and says that it did.
import { useEffect, useState } from "react";
import { Icon } from "./Icon.tsx";

/** Copies also where the page is not encrypted and browsers offer no clipboard. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "sr-only";
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

export function Copy({ text, label, word }: { text: string; label: string; word?: string }) {
  const [state, setState] = useState<"idle" | "done" | "failed">("idle");
  useEffect(() => {
    if (state === "idle") return;
    const timer = setTimeout(() => setState("idle"), 2_000);
    return () => clearTimeout(timer);
  }, [state]);
  const says = state === "done" ? "Copied" : state === "failed" ? "Copying failed: select the text" : "";
  return (
    <button
      type="button"
      className={word ? "button" : "icon-button"}
      aria-label={word ? undefined : label}
      title={label}
      onClick={() => void copyText(text).then((done) => setState(done ? "done" : "failed"))}
    >
      <Icon name="copy" />
      {word && <span>{says || word}</span>}
      <span className="sr-only" role="status">
        {word ? "" : says}
      </span>
    </button>
  );
}
