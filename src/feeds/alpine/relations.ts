import type { Alternatives, Dependency, Provided, Relation } from '#engine/catalog/package.ts'
import { shown } from '#engine/shown.ts'

/** What stands in `depend`, `D:`, `replaces` and `install_if`. */
export interface ParsedRelation {
  readonly dependency: Dependency
  /** `!name`: a package that must not be there. */
  readonly isConflict: boolean
}

/** Signs mean what they mean in any order, and however often. @returns undefined when any version will do */
function relationOf(signs: string): Relation | undefined {
  const [less, greater, fuzzy] = [signs.includes('<'), signs.includes('>'), signs.includes('~')]
  const equal = fuzzy || signs.includes('=')
  // By checksum: that is one very file.
  if (less && greater) return equal ? undefined : '><'
  if (less) return fuzzy ? '<~' : equal ? '<=' : '<<'
  if (greater) return fuzzy ? '>~' : equal ? '>=' : '>>'
  return fuzzy ? '~' : '='
}

/**
 * `name`, `name>=1.0`, `so:libz.so.1`, `/bin/sh`, `!name`, `name><Q1…`.
 *
 * @returns undefined for what is none of them
 * @see apk-world(5)
 */
export function parseRelation(text: string): ParsedRelation | undefined {
  const [, bang, name = '', operator = '', wanted = ''] =
    /^(!?)([^\s!<>=~@][^\s<>=~@]*)([<>=~]*)(\S*)$/.exec(text) ?? []
  if (name === '') return undefined
  const isConflict = bang === '!'
  if (operator === '') return { dependency: { name }, isConflict }
  if (wanted === '') return undefined
  const relation = relationOf(operator)
  if (relation === undefined) return { dependency: { name }, isConflict }
  return { dependency: { name, version: { relation, version: wanted } }, isConflict }
}

/** `so:libz.so.1=1.3.1`, `cmd:sh=1.36-r1`, `linux`: a name, with a version where it says one. */
export function parseProvided(text: string): Provided | undefined {
  const found = parseRelation(text)
  if (found === undefined || found.isConflict) return undefined
  const { name, version } = found.dependency
  if (version === undefined) return { name }
  return version.relation === '=' ? { name, version: version.version } : undefined
}

/** What packages need of others, as an index says it. */
export interface Needs {
  readonly depends: readonly Alternatives[]
  readonly conflicts: readonly Dependency[]
}

/** A field of an index that breaks the grammar; whoever reads it says in which package. */
export class RelationError extends Error {
  override readonly name = 'RelationError'
}

/** What could reach a path or a terminal: stricter than apk, which takes any bytes. */
const plain = /^[!-~]{1,512}$/

interface Word extends ParsedRelation {
  readonly alternatives: Alternatives
}

// Almost all relations of an index repeat; one object for each keeps a closure small and quick.
const seen = new Map<string, Word>()

function wordOf(text: string): Word {
  const known = seen.get(text)
  if (known !== undefined) return known
  const found = plain.test(text) ? parseRelation(text) : undefined
  if (found === undefined) throw new RelationError(`"${shown(text.slice(0, 80))}" is no dependency`)
  const word = { ...found, alternatives: [found.dependency] }
  seen.set(text, word)
  return word
}

const nothing: readonly never[] = []
const needsNothing: Needs = { depends: nothing, conflicts: nothing }

/** Reads `D:` and `i:`. @throws {RelationError} */
export function parseNeeds(text: string): Needs {
  if (text === '') return needsNothing
  const depends: Alternatives[] = []
  const conflicts: Dependency[] = []
  for (const each of text.split(' ')) {
    if (each === '') continue
    const { dependency, isConflict, alternatives } = wordOf(each)
    if (isConflict) conflicts.push(dependency)
    else depends.push(alternatives)
  }
  return { depends, conflicts }
}

/** Reads `p:`: what has another relation than `=` is left out. @throws {RelationError} */
export function parseProvides(text: string): readonly Provided[] {
  if (text === '') return nothing
  const provides: Provided[] = []
  for (const each of text.split(' ')) {
    if (each === '') continue
    const found = providedOf(each)
    if (found !== undefined) provides.push(found)
  }
  return provides
}

const plainName = /^[^\s!<>=~@]+$/

/** Hardly any of these repeats. @throws {RelationError} */
function providedOf(text: string): Provided | undefined {
  const sign = text.indexOf('=')
  const name = sign < 0 ? text : text.slice(0, sign)
  const version = sign < 0 ? undefined : text.slice(sign + 1)
  if (plain.test(text) && plainName.test(name) && (version === undefined || /^[^<>=~]/.test(version)))
    return version === undefined ? { name } : { name, version }
  const word = wordOf(text)
  const { relation, version: wanted } = word.dependency.version ?? {}
  if (word.isConflict || (relation !== undefined && relation !== '=')) return undefined
  return wanted === undefined ? { name: word.dependency.name } : { name: word.dependency.name, version: wanted }
}
