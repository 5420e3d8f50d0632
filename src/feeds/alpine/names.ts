import type { Arch } from '#engine/arch.ts'
import type { Dependency } from '#engine/catalog/package.ts'
import { YoeError } from '#engine/errors.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { isVersion } from './version.ts'

/** What a package may be called; `so:libz.so.1` and its like are no packages. */
export const packageName = /^[A-Za-z0-9][A-Za-z0-9+._-]*$/

/** Alpine's spelling of an architecture. */
export function apkArch(arch: Arch): string {
  switch (arch) {
    case 'x86_64':
      return 'x86_64'
    case 'arm64':
      return 'aarch64'
    case 'riscv64':
      return 'riscv64'
    default:
      return arch satisfies never
  }
}

/** What packages for every architecture say. */
export const noArch = 'noarch'

/**
 * The name of a unit's package: the unit's own, or `<unit>-<suffix>`.
 *
 * @throws {YoeError} BAD_NAME at the unit
 */
export function apkName(unit: PackageUnit, suffix = ''): string {
  const name = suffix === '' ? unit.name : `${unit.name}-${suffix}`
  if (packageName.test(name)) return name
  throw new YoeError('BAD_NAME', `"${name}" can't be the name of an Alpine package`, {
    hint: 'use a-z A-Z 0-9 + . _ -, beginning with a letter or digit',
    at: unit.at,
    unit: unit.name,
  })
}

/**
 * The package's version, `<version>-r<release>`.
 *
 * @throws {YoeError} BAD_FIELD at the unit, saying what would be allowed
 */
export function apkVersion(unit: PackageUnit): string {
  const whole = `${unit.version}-r${unit.release}`
  if (isVersion(whole) && unit.version.length <= 200 && !unit.version.includes('-')) return whole
  throw new YoeError('BAD_FIELD', `version "${unit.version}" of ${unit.name} is not an Alpine version`, {
    hint: versionHint(unit.version),
    at: unit.at,
    unit: unit.name,
  })
}

function versionHint(text: string): string {
  const rule =
    'numbers with dots, perhaps a letter, then _alpha _beta _pre _rc or _cvs _svn _git _hg _p, each perhaps with a number'
  const better = text
    .replace(/^[vV](?=\d)/, '')
    .toLowerCase()
    .replace(/[-._~+]?(alpha|beta|pre|rc)[-._]?(?=\d*$)/, '_$1')
    .replace(/[-~+]git/, '_git')
    .replace(/[-+](?=\d+$)/, '_p')
  return better !== text && isVersion(better) ? `write version = "${better}" (${rule})` : rule
}

/** As .PKGINFO and APKINDEX spell it: `libfoo>=1.2`. */
export function renderRelation({ name, version }: Dependency): string {
  if (version === undefined) return name
  return `${name}${operators[version.relation]}${version.version}`
}

const operators = {
  '<<': '<',
  '<=': '<=',
  '=': '=',
  '>=': '>=',
  '>>': '>',
  '~': '~',
  '<~': '<~',
  '>~': '>~',
  '><': '><',
} as const
