import type { Alternatives, Dependency, Provided, Relation } from '#engine/catalog/package.ts'
import { shown } from '#engine/shown.ts'
import { isVersion } from './version.ts'

/** What a package may be called; stricter than dpkg only in refusing `..`, which no package has and paths must not. */
export const packageName = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9+._-]{0,254}$/

// One dependency: name, optional architecture qualifier, optional version in parentheses.
const dependency = /^([^\s:()[\]<>]+)(?::([a-z0-9-]+))?(?:\s*\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s()]+)\s*\))?$/

const relations: Readonly<Record<string, Relation>> = {
  '<<': '<<',
  '<=': '<=',
  '=': '=',
  '>=': '>=',
  '>>': '>>',
  // deb-control(5): the single signs are obsolete spellings of these.
  '<': '<=',
  '>': '>=',
}

/** A relation field that breaks the grammar; whoever reads the field says in which file and package. */
export class RelationError extends Error {
  override readonly name = 'RelationError'
}

// Almost all dependencies of an archive repeat; one object for each keeps a closure small and quick.
const seen = new Map<string, Dependency>()

function parseDependency(text: string, arch: string): Dependency {
  const key = `${arch} ${text}`
  const known = seen.get(key)
  if (known !== undefined) return known
  const match = dependency.exec(text)
  const name = match?.[1]
  if (match === null || name === undefined || !packageName.test(name)) {
    throw new RelationError(`"${shown(text.slice(0, 80))}" is no dependency`)
  }
  const qualifier = match[2]
  // A dependency on another architecture's package can't be met by a feed of this one: its full name meets nothing.
  const foreign = qualifier !== undefined && qualifier !== 'any' && qualifier !== 'native' && qualifier !== arch
  const target = foreign ? `${name}:${qualifier}` : name
  const relation = match[3] === undefined ? undefined : relations[match[3]]
  const version = match[4]
  if (version !== undefined && !isVersion(version)) {
    throw new RelationError(`"${shown(version.slice(0, 80))}" is no version`)
  }
  const result: Dependency =
    relation === undefined || version === undefined
      ? { name: target }
      : { name: target, version: { relation, version } }
  seen.set(key, result)
  return result
}

/**
 * Reads the value of Depends, Pre-Depends, Conflicts or Breaks: comma-separated groups of `|` alternatives.
 *
 * @param arch the native architecture: `name:any`, `name:native` and `name:<arch>` mean plain `name`
 * @throws {RelationError}
 * @see deb-control(5), "Depends"
 */
export function parseRelations(text: string, arch: string): readonly Alternatives[] {
  const groups: Alternatives[] = []
  for (const group of text.split(',')) {
    const trimmed = group.trim()
    if (trimmed === '') continue
    groups.push(trimmed.split('|').map((one) => parseDependency(one.trim(), arch)))
  }
  return groups
}

/**
 * Reads the value of Provides: names, versioned with `=` only.
 *
 * @throws {RelationError}
 * @see deb-control(5), "Provides"
 */
export function parseProvides(text: string, arch: string): readonly Provided[] {
  const provided: Provided[] = []
  for (const group of parseRelations(text, arch)) {
    const [one] = group
    if (one === undefined || group.length > 1) throw new RelationError('Provides has alternatives')
    // apt ignores a Provides with any other relation, and so must whoever is to agree with it.
    if (one.version !== undefined && one.version.relation !== '=') continue
    provided.push(one.version === undefined ? { name: one.name } : { name: one.name, version: one.version.version })
  }
  return provided
}
