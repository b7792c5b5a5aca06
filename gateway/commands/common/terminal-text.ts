/** Text from a device for a terminal: control characters, which could move the cursor, show as U+FFFD. */
export function terminalText(text: string): string {
  return text.replace(/\p{Cc}/gu, "\u{fffd}");
}
