import type { VersionScheme } from '#engine/catalog/package.ts'

const grammar = /^(?:\d{1,9}:)?\d[A-Za-z0-9.+~:-]*$/

/**
 * Whether `text` is a version as deb-version(7) allows it: an optional numeric epoch, an upstream part that starts with
 * a digit, an optional revision. Nothing that could end a word, a path or a shell command passes.
 */
export function isVersion(text: string): boolean {
  if (!grammar.test(text)) return false
  const colon = text.indexOf(':')
  // A second colon belongs to the upstream part and is legal only behind an epoch; the pattern's own epoch is digits only.
  if (colon !== -1 && !/^\d{1,9}:\d/.test(text)) return false
  const dash = text.lastIndexOf('-')
  if (dash === -1) return true
  return dash > colon + 1 && dash < text.length - 1 && !text.includes(':', dash)
}

const digit = (code: number): boolean => code >= 48 && code <= 57

/** dpkg's order of single characters: `~`, then the end of the text, then letters, then everything else. */
function weight(text: string, index: number, end: number): number {
  if (index >= end) return 0
  const code = text.charCodeAt(index)
  if (digit(code)) return 0
  if (code === 126) return -1
  if ((code >= 65 && code <= 90) || (code >= 97 && code <= 122)) return code
  return code + 256
}

/** Compares a[ai, aEnd) with b[bi, bEnd) as dpkg's verrevcmp does; linear in their lengths. */
function comparePart(a: string, ai: number, aEnd: number, b: string, bi: number, bEnd: number): number {
  let i = ai
  let j = bi
  while (i < aEnd || j < bEnd) {
    while ((i < aEnd && !digit(a.charCodeAt(i))) || (j < bEnd && !digit(b.charCodeAt(j)))) {
      const order = weight(a, i, aEnd) - weight(b, j, bEnd)
      if (order !== 0) return order
      i++
      j++
    }
    while (i < aEnd && a.charCodeAt(i) === 48) i++
    while (j < bEnd && b.charCodeAt(j) === 48) j++
    let first = 0
    while (i < aEnd && j < bEnd && digit(a.charCodeAt(i)) && digit(b.charCodeAt(j))) {
      if (first === 0) first = a.charCodeAt(i) - b.charCodeAt(j)
      i++
      j++
    }
    if (i < aEnd && digit(a.charCodeAt(i))) return 1
    if (j < bEnd && digit(b.charCodeAt(j))) return -1
    if (first !== 0) return first
  }
  return 0
}

/**
 * Orders two versions: negative when `a` is older, 0 when equal (`1.0` and `0:1.0-0` are), positive when newer. Total
 * over any text; whether a text is a version at all is {@link isVersion}'s business.
 *
 * @see deb-version(7), "Sorting algorithm"; dpkg lib/dpkg/version.c
 */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0
  const aColon = a.indexOf(':')
  const bColon = b.indexOf(':')
  const epoch = (aColon < 1 ? 0 : Number(a.slice(0, aColon))) - (bColon < 1 ? 0 : Number(b.slice(0, bColon)))
  if (epoch !== 0 && !Number.isNaN(epoch)) return epoch
  const aDash = a.lastIndexOf('-')
  const bDash = b.lastIndexOf('-')
  const aEnd = aDash > aColon ? aDash : a.length
  const bEnd = bDash > bColon ? bDash : b.length
  const upstream = comparePart(a, aColon + 1, aEnd, b, bColon + 1, bEnd)
  if (upstream !== 0) return upstream
  return comparePart(a, aEnd + 1, a.length, b, bEnd + 1, b.length)
}

export const debianVersions: VersionScheme = { compare: compareVersions }
