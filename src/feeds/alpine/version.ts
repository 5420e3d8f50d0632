import type { Relation, VersionScheme } from '#engine/catalog/package.ts'

/**
 * What a part of a version is. A version that goes on where another ends is compared by these: the smaller number is the
 * newer version.
 */
const part = {
  invalid: -1,
  /** Behind a dot: leading zeros mean something. */
  fraction: 0,
  number: 1,
  letter: 2,
  suffix: 3,
  suffixNumber: 4,
  revision: 5,
  end: 6,
} as const
type Part = (typeof part)[keyof typeof part]

/** What suffixes are worth: those below zero come before the version itself. */
const suffixes: readonly (readonly [string, number])[] = [
  ['alpha', -4],
  ['beta', -3],
  ['pre', -2],
  ['rc', -1],
  ['cvs', 0],
  ['svn', 1],
  ['git', 2],
  ['hg', 3],
  ['p', 4],
]

/** Longer numbers make a version invalid. */
const mostDigits = 17

const isDigit = (code: number): boolean => code >= 48 && code <= 57
const isLower = (code: number): boolean => code >= 97 && code <= 122

/** Reads a version part by part. `part` says what comes next. */
class Reader {
  part: Part = part.number
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** The value of the part at hand; moves to the next. */
  next(): number | bigint {
    const text = this.#text
    if (this.#at >= text.length) {
      this.part = part.end
      return 0
    }
    let value: number | bigint = 0
    switch (this.part) {
      case part.fraction:
        if (text.charCodeAt(this.#at) === 48) {
          // The more zeros lead, the older: 1.001 is older than 1.01. The digits behind them are a part of their own.
          const from = this.#at
          while (text.charCodeAt(this.#at) === 48) this.#at++
          this.part = part.number
          return 1 + from - this.#at
        }
        value = this.#number()
        if (value < 0) return this.#invalid()
        break
      case part.number:
      case part.suffixNumber:
      case part.revision:
        value = this.#number()
        if (value < 0) return this.#invalid()
        break
      case part.letter:
        value = text.charCodeAt(this.#at++)
        break
      case part.suffix: {
        const known = suffixes.find(([word]) => text.startsWith(word, this.#at))
        if (known === undefined) return this.#invalid()
        this.#at += known[0].length
        value = known[1]
        break
      }
      default:
        return this.#invalid()
    }
    this.part = this.#following()
    return value
  }

  /** Whether what comes now stands before a version that ends here: `_rc1`, or what is invalid. */
  isBelow(): boolean {
    return this.part === part.suffix && this.next() < 0
  }

  #invalid(): number {
    this.part = part.invalid
    return -1
  }

  /** -1 when it is too long. */
  #number(): number | bigint {
    const from = this.#at
    while (isDigit(this.#text.charCodeAt(this.#at))) this.#at++
    const digits = this.#text.slice(from, this.#at)
    if (digits.length > mostDigits) return -1
    const value = Number(digits)
    return Number.isSafeInteger(value) ? value : BigInt(digits)
  }

  #following(): Part {
    const text = this.#text
    const before = this.part
    if (this.#at >= text.length) return part.end
    const code = text.charCodeAt(this.#at)
    let found: Part = part.invalid
    if ((before === part.number || before === part.fraction) && isLower(code)) found = part.letter
    else if (before === part.letter && isDigit(code)) found = part.number
    else if (before === part.suffix && isDigit(code)) found = part.suffixNumber
    else {
      const sign = text[this.#at++]
      if (sign === '.') found = part.fraction
      else if (sign === '_') found = part.suffix
      else if (sign === '-' && text[this.#at] === 'r') {
        this.#at++
        found = part.revision
      }
    }
    if (found >= before) return found
    const again =
      (found === part.fraction && before === part.number) ||
      (found === part.suffix && before === part.suffixNumber) ||
      (found === part.number && before === part.letter)
    return again ? found : part.invalid
  }
}

/** Whether `text` is a version as apk takes it: `1.2.3b_rc1_git20240101-r4`. */
export function isVersion(text: string): boolean {
  if (!/^[0-9][0-9a-z._-]{0,254}$/.test(text)) return false
  const reader = new Reader(text)
  while (reader.part !== part.end && reader.part !== part.invalid) reader.next()
  return reader.part === part.end
}

function compare(a: string, b: string, fuzzy: boolean): number {
  const left = new Reader(a)
  const right = new Reader(b)
  let x: number | bigint = 0
  let y: number | bigint = 0
  while (left.part === right.part && left.part !== part.end && left.part !== part.invalid && x === y) {
    x = left.next()
    y = right.next()
  }
  if (x !== y) return x < y ? -1 : 1
  if (left.part === right.part || fuzzy) return 0
  // What one of them has and the other has not makes it newer, unless it says that it comes before.
  const order = left.part > right.part ? -1 : 1
  if (left.isBelow()) return -1
  return right.isBelow() ? 1 : order
}

/**
 * Orders two versions: negative when `a` is older, 0 when equal, positive when newer. Defined for any text, as apk does
 * it; whether a text is a version at all is {@link isVersion}'s business.
 *
 * @see apk-package(5), "Package version"; apk-tools src/version.c
 */
export function compareVersions(a: string, b: string): number {
  return a === b ? 0 : compare(a, b, false)
}

/**
 * Whether a version is what a dependency asks for. `~` (and with it `<~` and `>~`) takes any version that begins with the
 * wanted one, part by part: `~1.2` takes 1.2.7-r3, not 1.20, and 1, which says no more.
 */
export function matchesVersion(version: string, relation: Relation, wanted: string): boolean {
  switch (relation) {
    case '<<':
      return compareVersions(version, wanted) < 0
    case '<=':
      return compareVersions(version, wanted) <= 0
    case '=':
      return compareVersions(version, wanted) === 0
    case '>=':
      return compareVersions(version, wanted) >= 0
    case '>>':
      return compareVersions(version, wanted) > 0
    case '~':
      return compare(version, wanted, true) === 0
    case '<~':
      return compare(version, wanted, true) <= 0
    case '>~':
      return compare(version, wanted, true) >= 0
    case '><':
      // A checksum: no version tells.
      return false
    default:
      return relation satisfies never
  }
}

export const alpineVersions: VersionScheme = { compare: compareVersions, matches: matchesVersion }
