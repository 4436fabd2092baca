// Random keys. Without `crypto.randomUUID`, which browsers offer on encrypted pages only.

export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
