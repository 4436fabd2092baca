// How what became of a delivery is called.
import type { Delivery } from "../../api/types.ts";
import type { Status } from "../../ui/status.ts";

export const OUTCOMES: Record<string, Status> = {
  runs: { label: "Led to runs", tone: "good", shape: "check" },
  nothing: { label: "Nothing to run", tone: "idle", shape: "skip" },
  ignored: { label: "Ignored", tone: "idle", shape: "slash" },
  refused: { label: "Refused", tone: "warn", shape: "shield" },
  failed: { label: "Failed", tone: "bad", shape: "cross" },
};

export const SOURCES = ["github", "gitlab", "gitea", "forgejo", "api", "schedule", "poll", "upstream", "replay"];

export function deliveryStatus(delivery: Delivery): Status {
  if (delivery.outcome === null) return { label: "Not decided yet", tone: "busy", shape: "spinner" };
  return OUTCOMES[delivery.outcome] ?? { label: delivery.outcome, tone: "idle", shape: "waiting" };
}

/** `push`, `pull_request opened`. */
export function kindOf(delivery: Delivery): string {
  return delivery.action ? `${delivery.kind} ${delivery.action}` : delivery.kind;
}
