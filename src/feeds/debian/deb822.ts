/** A control text that breaks the grammar; whoever reads it says which file it was. */
export class Deb822Error extends Error {
  override readonly name = 'Deb822Error'
}

/**
 * One paragraph of `Field: value` lines: names in lower case, values with their continuation lines joined by `\n`
 * (leading blank removed).
 */
export type Paragraph = ReadonlyMap<string, string>

const field = /^([A-Za-z][A-Za-z0-9-]{0,63}):[ \t]*(.*)$/
// NUL, ESC, CR and their kind have no business in a control file: they forge lines or drive terminals.
const control = /[\u0000-\u0008\u000b-\u001f\u007f]/

/**
 * Reads the paragraphs of a small control text (a Release file, a sources file); big indices have a reader of their own.
 *
 * @throws {Deb822Error} naming the line: a control character, a line that is neither field nor continuation, a field
 *   given twice
 * @see deb-control(5); Debian Policy, 5.1
 */
export function parseParagraphs(text: string, options: { readonly comments?: boolean } = {}): readonly Paragraph[] {
  const paragraphs: Map<string, string>[] = []
  let current: Map<string, string> | undefined
  let name = ''
  let number = 0
  for (const line of text.split('\n')) {
    number++
    if (control.test(line)) throw new Deb822Error(`line ${number} holds a control character`)
    if (options.comments === true && line.startsWith('#')) continue
    if (line.trim() === '') {
      current = undefined
      continue
    }
    if (line.startsWith(' ') || line.startsWith('\t')) {
      const before = current?.get(name)
      if (current === undefined || before === undefined) {
        throw new Deb822Error(`line ${number} continues a field that was never begun`)
      }
      // Joining by hand would be quadratic for a Release file's thousand lines; engines keep this as a rope.
      current.set(name, `${before}\n${line.trim()}`)
      continue
    }
    const match = field.exec(line)
    if (match?.[1] === undefined || match[2] === undefined) throw new Deb822Error(`line ${number} is no field`)
    if (current === undefined) {
      current = new Map()
      paragraphs.push(current)
    }
    name = match[1].toLowerCase()
    if (current.has(name)) throw new Deb822Error(`line ${number} gives ${match[1]} a second time`)
    current.set(name, match[2].trim())
  }
  return paragraphs
}
