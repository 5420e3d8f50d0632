import type { Arch } from '#engine/arch.ts'
import type { Dependency } from '#engine/catalog/package.ts'
import { YoeError } from '#engine/errors.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { isVersion } from './version.ts'

const packageName = /^[a-z0-9][a-z0-9+.-]+$/
const relation = /^([a-z0-9][a-z0-9+.-]+)(?:\s*(<<|<=|=|>=|>>)\s*(\S+)|\s*\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?$/

/** Debian's spelling of an architecture. */
export function debianArch(arch: Arch): string {
  switch (arch) {
    case 'x86_64':
      return 'amd64'
    case 'arm64':
      return 'arm64'
    case 'riscv64':
      return 'riscv64'
    default:
      return arch satisfies never
  }
}

/**
 * The Debian name of a unit's package: the unit's own, or `<unit>-<suffix>`.
 *
 * @throws {YoeError} BAD_NAME at the unit
 * @see Debian Policy 5.6.1
 */
export function debianName(unit: PackageUnit, suffix = ''): string {
  const name = suffix === '' ? unit.name : `${unit.name}-${suffix}`
  if (packageName.test(name)) return name
  throw new YoeError('BAD_NAME', `"${name}" can't be the name of a Debian package`, {
    hint: 'use two or more of a-z 0-9 + . -, beginning with a letter or digit',
    at: unit.at,
    unit: unit.name,
  })
}

/**
 * The package's version, `<version>-r<release>`: the release is Debian's revision, so r2 sorts before r10 and any
 * release of 1.0 before any of 1.1.
 *
 * @throws {YoeError} BAD_FIELD at the unit, saying what would be allowed
 * @see Debian Policy 5.6.12
 */
export function debianVersion(unit: PackageUnit): string {
  const whole = `${unit.version}-r${unit.release}`
  if (isVersion(whole) && unit.version.length <= 200) return whole
  throw new YoeError('BAD_FIELD', `version "${unit.version}" of ${unit.name} is not a Debian version`, {
    hint: versionHint(unit.version),
    at: unit.at,
    unit: unit.name,
  })
}

function versionHint(text: string): string {
  const rule = 'a version begins with a digit and holds only A-Z a-z 0-9 . + - ~'
  const better = text
    .replace(/^[vV](?=\d)/, '')
    .replace(/_(alpha|beta|pre|rc)/g, '~$1')
    .replaceAll('_', '+')
  return better !== text && isVersion(better) ? `write version = "${better}" (${rule})` : rule
}

/** A version as file names carry it: without the epoch. */
export const withoutEpoch = (text: string): string => text.replace(/^\d+:/, '')

/**
 * `name`, `name>=1.0` or `name (>= 1.0)`.
 *
 * @returns undefined when the text is none of them
 * @see Debian Policy 7.1
 */
export function parseRelation(text: string): Dependency | undefined {
  const [, name, bareOp, bareVersion, op = bareOp, wanted = bareVersion] = relation.exec(text.trim()) ?? []
  if (name === undefined) return undefined
  if (op === undefined || wanted === undefined) return { name }
  if (!isVersion(wanted)) return undefined
  switch (op) {
    case '<<':
    case '<=':
    case '=':
    case '>=':
    case '>>':
      return { name, version: { relation: op, version: wanted } }
    default:
      return undefined
  }
}

/** The opposite of {@link parseRelation}, as control files spell it. */
export function renderRelation({ name, version }: Dependency): string {
  return version === undefined ? name : `${name} (${version.relation} ${version.version})`
}
