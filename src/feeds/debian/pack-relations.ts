import type { Alternatives, Dependency, PackageRecord } from '#engine/catalog/package.ts'
import { YoeError } from '#engine/errors.ts'
import type { PackInput } from '#engine/formats.ts'
import type { LinkFacts } from '#engine/qa/links.ts'
import { debianArch, debianName, debianVersion, renderRelation } from './names.ts'
import { packageName } from './relations.ts'
import { compareVersions, isVersion } from './version.ts'

/**
 * Everything about one package of a unit that needs no look into the destdir: what the unit declares is the main
 * package's.
 *
 * @param suffix '' for the main package
 * @throws {YoeError} BAD_NAME, BAD_FIELD at the unit
 */
export function bareRecord(input: PackInput, suffix: string): PackageRecord {
  const { unit } = input
  const main = suffix === ''
  return {
    name: debianName(unit, suffix),
    version: debianVersion(unit),
    arch: unit.scope === 'noarch' ? 'all' : debianArch(input.arch),
    depends: main ? input.runtimeDeps.map((group) => group.map((one) => relation(input, 'runtime_deps', one))) : [],
    provides: main ? provides(input) : [],
    conflicts: main ? unit.conflicts.map((one) => relation(input, 'conflicts', one)) : [],
    essential: false,
    priority: 'optional',
    origin: { kind: 'unit', unit: unit.name, at: unit.at },
  }
}

function provides(input: PackInput): PackageRecord['provides'] {
  for (const { name, version } of input.unit.provides)
    relation(input, 'provides', version === undefined ? { name } : { name, version: { relation: '=', version } })
  return input.unit.provides
}

/**
 * What the Replaces fields of a unit's packages say: any of them may take over files of the packages that the unit
 * names, and of older versions of each other, since a file may move between them.
 *
 * @param names of all packages of the unit
 */
export function replacesOf(input: PackInput, names: readonly string[], self: PackageRecord): readonly string[] {
  const { version } = self
  const siblings = names.filter((name) => name !== self.name)
  return [
    ...input.unit.replaces.map((one) => renderRelation(relation(input, 'replaces', one))),
    ...siblings.map((name) => renderRelation({ name, version: { relation: '<<', version } })),
  ]
}

function relation({ unit }: PackInput, field: string, dependency: Dependency): Dependency {
  const { name, version } = dependency
  const fuzzy = version?.relation.includes('~') === true
  if (packageName.test(name) && !fuzzy && (version === undefined || isVersion(version.version))) return dependency
  const shown = version === undefined ? name : `${name} ${version.relation} ${version.version}`
  const hint = fuzzy
    ? `"~" is for other package formats; the nearest that Debian has is ${name} >= ${version.version}`
    : 'write a name, or a name and a version: libfoo, libfoo >= 1.2'
  throw new YoeError('BAD_FIELD', `${field} of ${unit.name}: "${shown}" is no relation that Debian packages can have`, {
    hint,
    at: unit.at,
    unit: unit.name,
  })
}

/** A package of the same unit in exactly this version. */
export const exactly = ({ name, version }: PackageRecord): Dependency => ({ name, version: { relation: '=', version } })

/**
 * What a package depends on: what is declared, in its order; packages of the same unit; then the owners of libraries by
 * name, and what its maintainer scripts need. Said once each: a name without a version is left out where another group
 * asks for a version of it.
 */
export function dependenciesOf(
  bare: PackageRecord,
  siblings: readonly PackageRecord[],
  { needs }: LinkFacts,
  forScripts: readonly Alternatives[],
): readonly Alternatives[] {
  const floors = new Map<string, string>()
  for (const { name, version } of needs) {
    const floor = floors.get(name) ?? ''
    floors.set(name, floor !== '' && (version === '' || compareVersions(floor, version) > 0) ? floor : version)
  }
  const linked = [...floors].sort().map(([name, version]): Dependency => {
    return version === '' ? { name } : { name, version: { relation: '>=', version } }
  })
  const found = [...siblings.map(exactly), ...linked].map((one): Alternatives => [one])
  const all = [...bare.depends, ...found, ...forScripts]
  const versioned = new Set(
    all.flatMap((group) => (group.length === 1 && group[0]?.version !== undefined ? [group[0].name] : [])),
  )
  const kept = all.filter((group) => {
    const [only] = group
    if (group.some(({ name }) => name === bare.name)) return false
    return group.length > 1 || only?.version !== undefined || !versioned.has(only?.name ?? '')
  })
  return [...new Map(kept.map((group) => [group.map(renderRelation).join(' | '), group])).values()]
}
