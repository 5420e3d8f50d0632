/**
 * A file name as messages may show it: printable text as it is, everything that could move a cursor, reorder a line
 * or is no UTF-8 escaped. Different names stay different: a backslash is doubled.
 */
export function shown(name: Uint8Array | string): string {
  const bytes = Buffer.from(name)
  const text = bytes.toString('utf8')
  if (!Buffer.from(text).equals(bytes)) return Array.from(bytes, byteShown).join('')
  return text.replace(unprintable, (char) => (char === '\\' ? '\\\\' : escaped(char)))
}

// C0, DEL, C1, the bidirectional controls and marks, line and paragraph separators, the byte order mark.
const unprintable = /[\\\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

const escaped = (char: string): string => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`

const byteShown = (byte: number): string =>
  byte === 0x5c
    ? '\\\\'
    : byte > 0x1f && byte < 0x7f
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`
