import { YoeError } from '#engine/errors.ts'

/** Where an argument's value stands in a file, as offsets. */
interface Span {
  readonly start: number
  readonly end: number
}

/** Line and column as the interpreter tells them, 1-based. */
export interface CallAt {
  readonly line: number
  readonly column: number
}

/**
 * Gives a keyword argument of a call another value, and changes nothing else of the file's text. A value that is no plain
 * text or list of texts, but made by an expression, is left alone.
 *
 * @param value Starlark text; undefined takes the argument out
 * @returns undefined when it can't be done without knowing what the file means
 */
export function setArgument(text: string, at: CallAt, name: string, value: string | undefined): string | undefined {
  const call = callAt(text, at)
  if (call === undefined) return undefined
  const found = call.arguments.get(name)
  if (found === undefined) return value === undefined ? text : inserted(text, call, name, value)
  if (!isPlain(text.slice(found.value.start, found.value.end))) return undefined
  if (value !== undefined) return text.slice(0, found.value.start) + value + text.slice(found.value.end)
  return text.slice(0, found.whole.start) + text.slice(found.whole.end)
}

/** A list of texts as argument of a call: on one line when it is short. */
export function listText(items: readonly string[], indent: string): string {
  const quoted = items.map((item) => JSON.stringify(item))
  const line = `[${quoted.join(', ')}]`
  if (line.length + indent.length <= 100 && items.length < 2) return line
  return `[\n${quoted.map((item) => `${indent}    ${item},\n`).join('')}${indent}]`
}

/** The white space that a call's arguments are indented by. */
export function indentAt(text: string, at: CallAt): string {
  const call = callAt(text, at)
  const [first] = call === undefined ? [] : [...call.arguments.values()]
  if (first === undefined) return '    '
  const lineStart = text.lastIndexOf('\n', first.start - 1) + 1
  return /^[ \t]*/.exec(text.slice(lineStart, first.start))?.[0] ?? '    '
}

interface Call {
  /** After the opening parenthesis, and before the closing one. */
  readonly inner: Span
  readonly arguments: ReadonlyMap<string, Argument>
}

interface Argument {
  /** Where its name begins. */
  readonly start: number
  readonly value: Span
  /** With its comma, and the white space before it. */
  readonly whole: Span
}

function inserted(text: string, { inner, arguments: args }: Call, name: string, value: string): string {
  const last = [...args.values()].at(-1)
  if (last === undefined) return `${text.slice(0, inner.end)}${name} = ${value}${text.slice(inner.end)}`
  const lineStart = text.lastIndexOf('\n', last.start - 1) + 1
  const before = text.slice(lineStart, last.start)
  const separator = /^[ \t]*$/.test(before) ? `\n${before}` : ' '
  const rest = text.slice(last.value.end, inner.end)
  const comma = /^[ \t]*,/.exec(rest)?.[0]
  const end = last.value.end + (comma?.length ?? 0)
  return `${text.slice(0, end)}${comma === undefined ? ',' : ''}${separator}${name} = ${value}${comma === undefined ? '' : ','}${text.slice(end)}`
}

function callAt(text: string, { line, column }: CallAt): Call | undefined {
  const lines = text.split('\n')
  if (line > lines.length) return undefined
  const lineStart = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0)
  const open = text.indexOf('(', lineStart + column - 1)
  if (open < 0 || text.slice(lineStart + column - 1, open).includes('\n')) return undefined
  const args = new Map<string, Argument>()
  let start = open + 1
  for (;;) {
    const end = endOfArgument(text, start)
    if (end === undefined) return undefined
    const [head = '', name = ''] = /^(?:\s|#[^\n]*\n)*([A-Za-z_]\w*)\s*=(?!=)\s*/.exec(text.slice(start, end)) ?? []
    if (name !== '') {
      const nameStart = start + head.indexOf(name)
      const valueText = text.slice(start + head.length, end)
      const value = { start: start + head.length, end: start + head.length + withoutTail(valueText).length }
      const comma = text[end] === ',' ? 1 : 0
      const before = /\n?[ \t]*$/.exec(text.slice(0, nameStart))?.[0].length ?? 0
      args.set(name, { start: nameStart, value, whole: { start: nameStart - before, end: end + comma } })
    }
    if (text[end] === ')') return { inner: { start: open + 1, end }, arguments: args }
    start = end + 1
  }
}

/** Without comments and white space behind it. */
function withoutTail(text: string): string {
  let end = 0
  for (let at = 0; at < text.length; ) {
    const token = tokenAt(text, at)
    if (!/^(\s|#)/.test(token)) end = at + token.length
    at += token.length
  }
  return text.slice(0, end)
}

/** Offset of the comma or parenthesis that ends what begins at `start`. */
function endOfArgument(text: string, start: number): number | undefined {
  let depth = 0
  for (let at = start; at < text.length; ) {
    const token = tokenAt(text, at)
    if (depth === 0 && (token === ',' || token === ')')) return at
    if ('([{'.includes(token)) depth++
    else if (')]}'.includes(token)) depth--
    at += token.length
  }
  return undefined
}

/** A string, a comment, or one character. */
function tokenAt(text: string, at: number): string {
  const token = /"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'|#[^\n]*|[\s\S]/y
  token.lastIndex = at
  return token.exec(text)?.[0] ?? ' '
}

/** A text, or a list of texts: with comments in it, it is somebody's who has reasons. */
function isPlain(value: string): boolean {
  const string = `(?:"(?:[^"\\\\\\n]|\\\\.)*"|'(?:[^'\\\\\\n]|\\\\.)*')`
  return new RegExp(`^(?:${string}|\\[\\s*(?:${string}\\s*,\\s*)*(?:${string}\\s*)?\\])$`).test(value.trim())
}

/** A file that only its author can change. */
export function notEditable(file: string, name: string, line: number, value: string): YoeError {
  return new YoeError('SOURCE_STATE', `${name} in ${file} is made by an expression, which only you can change`, {
    at: { file, line, column: 1 },
    hint: `let it come to: ${name} = ${value}`,
  })
}
