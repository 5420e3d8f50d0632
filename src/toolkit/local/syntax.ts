import type { Position } from '#engine/errors.ts'
import { YoeError } from '#engine/errors.ts'

/** Plain data as a `.star` file writes it. A dict keeps its order, and its keys may be any text. */
export type Literal = string | number | boolean | readonly Literal[] | Map<string, Literal>

/** `name = value` of a file that holds nothing else. */
export interface Assignment {
  readonly name: string
  readonly value: Literal
  readonly at: Position
  /** The comment lines right above it, as they are written. */
  readonly above: readonly string[]
  /** The comment at the end of its last line, with its `#`; '' without one. */
  readonly beside: string
}

export interface Assignments {
  readonly assignments: readonly Assignment[]
  /** Comment lines that stand above no assignment. */
  readonly loose: readonly string[]
}

const deepest = 20

/**
 * Reads the part of Starlark that settings need: assignments of strings, whole numbers, booleans, lists and dicts, and
 * comments. Where it reads a file, Starlark reads it too, and means the same; so no interpreter is started for it.
 *
 * @param file as positions name it
 * @throws {YoeError} STAR_SYNTAX at the line
 * @see https://github.com/google/starlark-go/blob/master/doc/spec.md
 */
export function parseAssignments(file: string, text: string): Assignments {
  return new Parser(file, text.replace(/^\ufeff/, '').replaceAll(/\r\n?/g, '\n')).parse()
}

class Parser {
  readonly #file: string
  readonly #text: string
  #offset = 0
  #line = 1
  #lineStart = 0

  constructor(file: string, text: string) {
    this.#file = file
    this.#text = text
  }

  parse(): Assignments {
    const assignments: Assignment[] = []
    const loose: string[] = []
    let above: string[] = []
    while (this.#offset < this.#text.length) {
      const comment = this.#take(/[ \t]*(#[^\n]*)/y)
      if (comment !== undefined) above.push(comment.trim())
      else if (this.#take(/[ \t]*(?=\n|$)/y) !== undefined) {
        // An empty line parts a comment from what follows.
        loose.push(...above)
        above = []
      } else {
        assignments.push({ ...this.#assignment(), above })
        above = []
      }
      this.#endOfLine()
    }
    return { assignments, loose: [...loose, ...above] }
  }

  #assignment(): Omit<Assignment, 'above'> {
    if (/[ \t]/.test(this.#text.charAt(this.#offset))) this.#fail('a setting begins its line')
    const at = this.#position
    const name = this.#take(/[A-Za-z_][A-Za-z0-9_]*/y)
    if (name === undefined || this.#take(/[ \t]*=(?!=)[ \t]*/y) === undefined) {
      return this.#fail('only settings such as machine = "qemu-arm64" may stand here')
    }
    const value = this.#value(0)
    return { name, value, at, beside: this.#take(/[ \t]*(#[^\n]*)?/y)?.trim() ?? '' }
  }

  #value(depth: number): Literal {
    if (depth > deepest) this.#fail('this is nested too deeply')
    const word = this.#take(/[A-Za-z_][A-Za-z0-9_]*(?!["'\w])/y)
    if (word === 'True' || word === 'False') return word === 'True'
    if (word !== undefined) this.#fail(`"${word}" is no plain value`)
    const number = this.#take(/-?(0|[1-9][0-9]{0,15})(?![\w.])/y)
    if (number !== undefined) return Number(number)
    if (this.#take(/\[/y) !== undefined) return this.#members(']', () => this.#value(depth + 1))
    if (this.#take(/\{/y) !== undefined) return this.#dict(depth)
    return this.#string()
  }

  #dict(depth: number): Map<string, Literal> {
    const entries = this.#members('}', (): readonly [string, Literal] => {
      const key = this.#string()
      this.#space()
      if (this.#take(/:/y) === undefined) this.#fail('a ":" is missing here')
      this.#space()
      return [key, this.#value(depth + 1)]
    })
    const keys = entries.map(([key]) => key)
    const twice = keys.find((key, index) => keys.indexOf(key) !== index)
    if (twice !== undefined) this.#fail(`${JSON.stringify(twice)} stands in this dict twice`)
    return new Map(entries)
  }

  /** What stands between brackets, over any number of lines. */
  #members<T>(end: string, member: () => T): readonly T[] {
    const members: T[] = []
    for (;;) {
      this.#space()
      if (this.#text.charAt(this.#offset) === end) break
      members.push(member())
      this.#space()
      if (this.#take(/,/y) === undefined) break
    }
    if (this.#text.charAt(this.#offset) !== end) this.#fail(`a "," or "${end}" is missing here`)
    this.#offset++
    return members
  }

  #string(): string {
    const [, raw = '', quote = ''] = this.#match(/(r?)(["'])/y) ?? []
    if (quote === '') this.#fail('a plain value (text in quotes, a number, True, False, a list or a dict) belongs here')
    if (this.#text.startsWith(quote.repeat(2), this.#offset)) this.#fail('text in triple quotes is not read here')
    const body = this.#take(quote === '"' ? /(?:[^"\\\n]|\\[^\n])*/y : /(?:[^'\\\n]|\\[^\n])*/y) ?? ''
    if (this.#text.charAt(this.#offset) !== quote) this.#fail('this text has no closing quote on its line')
    this.#offset++
    return raw === '' ? this.#unescape(body) : body
  }

  #unescape(body: string): string {
    return body.replaceAll(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)/gsu, (_, name: string) => {
      const plain = escapes[name]
      if (plain !== undefined) return plain
      const code = Number.parseInt(name.slice(1), 16)
      const isCharacter = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) && (name[0] !== 'x' || code < 0x80)
      if (name.length === 1 || !isCharacter) this.#fail(`"\\${name}" stands for no character`)
      return String.fromCodePoint(code)
    })
  }

  /** White space, ends of lines and comments inside brackets. */
  #space(): void {
    while (this.#match(/[ \t]+|#[^\n]*/y) !== undefined || this.#newline()) {
      // Both moved on.
    }
  }

  #endOfLine(): void {
    if (this.#newline() || this.#offset === this.#text.length) return
    this.#fail('only one setting may stand on a line')
  }

  #newline(): boolean {
    if (this.#text.charAt(this.#offset) !== '\n') return false
    this.#offset++
    this.#line++
    this.#lineStart = this.#offset
    return true
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#offset
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#offset = pattern.lastIndex
    return match
  }

  #take(pattern: RegExp): string | undefined {
    return this.#match(pattern)?.[0]
  }

  get #position(): Position {
    return { file: this.#file, line: this.#line, column: this.#offset - this.#lineStart + 1 }
  }

  #fail(message: string): never {
    throw new YoeError('STAR_SYNTAX', message, {
      at: this.#position,
      hint: 'yoe config set KEY VALUE writes this file; docs/local.md lists what it may hold',
    })
  }
}

const escapes: Readonly<Record<string, string>> = {
  '\\': '\\',
  '"': '"',
  "'": "'",
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** The same value as `.star` text; lists and dicts on one line. */
export function printLiteral(value: Literal): string {
  if (typeof value === 'string') return quote(value)
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number') return String(value)
  if (value instanceof Map)
    return `{${[...value].map(([key, item]) => `${quote(key)}: ${printLiteral(item)}`).join(', ')}}`
  return `[${value.map((item) => printLiteral(item)).join(', ')}]`
}

/** Control characters as Starlark escapes them. */
function quote(text: string): string {
  const escaped = text.replaceAll(/[\\"]/g, '\\$&').replaceAll(/[\u0000-\u001f\u007f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return `"${escaped}"`
}
