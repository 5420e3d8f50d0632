import type { Alternatives, Dependency, PackageRecord, Provided } from '#engine/catalog/package.ts'
import { YoeError } from '#engine/errors.ts'
import type { PackInput } from '#engine/formats.ts'
import type { LinkFacts } from '#engine/qa/links.ts'
import { apkArch, apkName, apkVersion, noArch, packageName, renderRelation } from './names.ts'
import { isVersion } from './version.ts'

/** `so:libz.so.1`, `cmd:sh`, `pc:zlib`, `/bin/sh`: names that are no package's. */
const virtual = /^(?:(?:so|cmd|pc|py[0-9.]*|dbus|ocaml[0-9]*|ruby[0-9.]*):[!-;?A-}]+|\/[!-;?A-}]+)$/

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
  const version = apkVersion(unit)
  return {
    name: apkName(unit, suffix),
    version,
    arch: unit.scope === 'noarch' ? noArch : apkArch(input.arch),
    depends: main ? input.runtimeDeps.map((group) => declared(input, group)) : [],
    provides: main ? provides(input, version) : [],
    conflicts: main ? unit.conflicts.map((one) => relation(input, 'conflicts', one)) : [],
    essential: false,
    priority: 'optional',
    origin: { kind: 'unit', unit: unit.name, at: unit.at },
  }
}

function declared(input: PackInput, group: Alternatives): Alternatives {
  if (group.length < 2) return group.map((one) => relation(input, 'runtime_deps', one))
  const { name, at } = input.unit
  const shown = group.map(renderRelation).join(' | ')
  throw new YoeError(
    'BAD_FIELD',
    `runtime_deps of ${name}: "${shown}" is a choice, which Alpine packages can't leave open`,
    {
      hint: 'name one of them, or what all of them provide; distro_runtime_deps = {"alpine": …} says it for Alpine alone',
      at,
      unit: name,
    },
  )
}

/** Without a version, what is provided would satisfy nobody who asks for one. @see seed, Auto-versioned provides */
function provides(input: PackInput, own: string): readonly Provided[] {
  return input.unit.provides.map(({ name, version = own }) => {
    relation(input, 'provides', { name, version: { relation: '=', version } })
    return { name, version }
  })
}

function relation({ unit }: PackInput, field: string, dependency: Dependency): Dependency {
  const { name, version } = dependency
  const isName = packageName.test(name) || virtual.test(name)
  if (isName && (version === undefined || isVersion(version.version))) return dependency
  throw new YoeError(
    'BAD_FIELD',
    `${field} of ${unit.name}: "${renderRelation(dependency)}" is no relation that Alpine packages can have`,
    { hint: 'write a name, or a name and a version: libfoo, libfoo>=1.2', at: unit.at, unit: unit.name },
  )
}

/** What the unit's packages may take files over from: what it says, and each other. */
export function replacesOf(input: PackInput, names: readonly string[], self: PackageRecord): readonly string[] {
  const siblings = names.filter((name) => name !== self.name).map((name) => `${name}<${self.version}`)
  return [...input.unit.replaces.map((one) => renderRelation(relation(input, 'replaces', one))), ...siblings]
}

/** A package of the same unit in exactly this version. */
const exactly = ({ name, version }: PackageRecord): Dependency => ({ name, version: { relation: '=', version } })

/**
 * What a package depends on: what is declared, in its order; packages of the same unit; then the libraries that its programs
 * are linked to, and what else was found. Said once each: a name without a version is left out where another one asks
 * for a version of it.
 */
export function dependenciesOf(
  bare: PackageRecord,
  siblings: readonly PackageRecord[],
  { sonames }: LinkFacts,
  found: readonly Dependency[],
): readonly Alternatives[] {
  const all = [
    ...bare.depends.flat(),
    ...siblings.map(exactly),
    ...sonames.map((soname): Dependency => ({ name: `so:${soname}` })),
    ...found,
  ]
  const versioned = new Set(all.flatMap(({ name, version }) => (version === undefined ? [] : [name])))
  const kept = all.filter(({ name, version }) => name !== bare.name && (version !== undefined || !versioned.has(name)))
  return [...new Map(kept.map((one) => [renderRelation(one), [one]])).values()]
}
