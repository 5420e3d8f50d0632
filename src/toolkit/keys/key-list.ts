import type { NamedKey } from '#engine/store/named-keys.ts'

/** A list of public keys, one a line, with another one at its end. */
export function withKey(text: string, publicKey: string): string {
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${publicKey}\n`
}

/** What is said of the key on its line becomes `mark`; every other byte stays. */
export function withMark(text: string, { publicKey, at }: NamedKey, mark: string): string {
  return text
    .split('\n')
    .map((line, index) => (index + 1 === at.line ? `${publicKey} ${mark}${line.endsWith('\r') ? '\r' : ''}` : line))
    .join('\n')
}

/** Whether the key stands on that line of the text, and not in a `.star` file. */
export function standsIn(text: string, { publicKey, at }: NamedKey): boolean {
  const line = text.split('\n')[at.line - 1]?.trim() ?? ''
  return line === publicKey || line.startsWith(`${publicKey} `) || line.startsWith(`${publicKey}\t`)
}
