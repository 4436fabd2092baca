// Asks before what cannot be undone.
import type { ReactNode } from "react";
import { Dialog } from "./Dialog.tsx";

export function Confirm({
  title,
  action,
  busy,
  onConfirm,
  onClose,
  children,
}: {
  title: string;
  action: string;
  busy: boolean;
  onConfirm: () => void;
  onClose: () => void;
  children: ReactNode;
}) {
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <div className="dialog-foot">
        <button type="button" className="button" onClick={onClose} autoFocus>
          Close
        </button>
        <button type="button" className="button danger solid" disabled={busy} onClick={onConfirm}>
          {action}
        </button>
      </div>
    </Dialog>
  );
}
