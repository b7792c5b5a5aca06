/** Makes a rule id from any text: `Cold Room #1` becomes `cold-room-1`. */
export function suggestId(text: string): string | undefined {
  const id = text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+|-+$/g, "")
    .slice(0, 100);
  return id === "" ? undefined : id;
}
