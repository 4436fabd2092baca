// The dialog of keyboard shortcuts.
import { Dialog } from "../ui/Dialog.tsx";
import { PAGES } from "./keys.ts";

const KEYS: [string[], string][] = [
  [["/"], "Search on this page"],
  [["j"], "Next row of a list"],
  [["k"], "Previous row"],
  [["Enter"], "Open the row"],
  [["Esc"], "Leave a field or a dialog"],
  [["?"], "This help"],
];

const LOG_KEYS: [string[], string][] = [
  [["Enter"], "Next hit, with Shift the previous one"],
  [["w"], "Wrap long lines or not"],
  [["t"], "Show times or not"],
  [["f"], "Follow the log's end or not"],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <div className="help-columns">
        <Keys title="Anywhere" keys={KEYS} />
        <Keys title="Go to" keys={PAGES.map((page) => [["g", page.key], page.name])} />
        <Keys title="In a log" keys={LOG_KEYS} />
      </div>
    </Dialog>
  );
}

function Keys({ title, keys }: { title: string; keys: [string[], string][] }) {
  return (
    <section>
      <h3>{title}</h3>
      <dl className="help-keys">
        {keys.map(([names, what]) => (
          <div key={what}>
            <dt>
              {names.map((name) => (
                <kbd key={name}>{name}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
