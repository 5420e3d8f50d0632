import { YoeError } from '../errors.ts'
import type { Machine, PackageUnit, PublicConfig } from '../project/model.ts'

/** One flag, path or value, and whose `public_config` says it. */
export interface Setting {
  readonly value: string
  /** `machine box` or `unit zlib`. */
  readonly from: string
}

/** What flows to a unit: from its machine, from everything in its sysroot, and from itself. */
export interface ResolvedConfig {
  readonly cflags: readonly Setting[]
  readonly cxxflags: readonly Setting[]
  readonly cppflags: readonly Setting[]
  readonly ldflags: readonly Setting[]
  /** Absolute on the device; below the sysroot while a unit is built. */
  readonly includePaths: readonly Setting[]
  readonly environment: Readonly<Record<string, Setting>>
}

type Lists = Exclude<keyof PublicConfig, 'environment'>

/** Variables that say where a build takes place and what it is for: nobody else's to set. */
const reserved: ReadonlySet<string> = new Set([
  ...['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'SHELL', 'USER', 'SOURCE_DATE_EPOCH'],
  ...['PREFIX', 'SRCDIR', 'DESTDIR', 'SYSROOT', 'NPROC', 'ARCH', 'MACHINE', 'UNIT', 'VERSION'],
  ...['PKG_CONFIG_PATH', 'PKG_CONFIG_SYSROOT_DIR', 'LD_LIBRARY_PATH'],
])

/** Those that fields of their own are for. */
const fields: ReadonlySet<string> = new Set(['CFLAGS', 'CXXFLAGS', 'CPPFLAGS', 'LDFLAGS'])

interface Contribution {
  readonly from: string
  readonly at: YoeError['at']
  readonly config: PublicConfig
}

/**
 * Merges `public_config` for one unit, in this order: the machine's (unless the unit is for every architecture), that of
 * each unit in the sysroot, dependencies first, and the unit's own, which it is built with like those that use it. Lists
 * are joined; of a flag that several say all stay, since their order means something.
 *
 * @param machine undefined for a unit that no machine decides about
 * @param errors gets what is wrong: variables that two say differently (unless the unit's own `environment` decides),
 *   and variables that are not theirs to set
 * @see seed, Config Propagation
 */
export function resolveConfig(
  unit: PackageUnit,
  machine: Machine | undefined,
  sysroot: readonly PackageUnit[],
  errors: YoeError[],
): ResolvedConfig {
  const contributions = contributionsOf(unit, machine, sysroot)
  const all = (list: Lists): readonly Setting[] =>
    contributions.flatMap(({ from, config }) => config[list].map((value) => ({ value, from })))
  return {
    cflags: all('cflags'),
    cxxflags: all('cxxflags'),
    cppflags: all('cppflags'),
    ldflags: all('ldflags'),
    includePaths: unique(all('includePaths')),
    environment: environmentOf(unit, contributions, errors),
  }
}

/** A folder is searched once, where it is said first. */
const unique = (settings: readonly Setting[]): readonly Setting[] =>
  settings.filter((one, index) => settings.findIndex(({ value }) => value === one.value) === index)

function contributionsOf(
  unit: PackageUnit,
  machine: Machine | undefined,
  sysroot: readonly PackageUnit[],
): readonly Contribution[] {
  const found: Contribution[] = []
  if (machine?.publicConfig !== undefined)
    found.push({ from: `machine ${machine.name}`, at: machine.at, config: machine.publicConfig })
  for (const { name, at, publicConfig } of [...sysroot, unit])
    if (publicConfig !== undefined) found.push({ from: `unit ${name}`, at, config: publicConfig })
  return found
}

function environmentOf(
  unit: PackageUnit,
  contributions: readonly Contribution[],
  errors: YoeError[],
): ResolvedConfig['environment'] {
  const merged = new Map<string, Setting>()
  for (const { from, at, config } of contributions) {
    for (const [name, value] of Object.entries(config.environment)) {
      if (reserved.has(name) || fields.has(name)) {
        const hint = fields.has(name) ? `write "${name}" beside "environment", not in it` : 'give it another name'
        errors.push(new YoeError('BAD_FIELD', `public_config of ${from} may not set ${name}`, { at, hint }))
        continue
      }
      const other = merged.get(name)
      if (other === undefined) merged.set(name, { value, from })
      else if (other.value !== value && !Object.hasOwn(unit.environment, name)) {
        errors.push(
          new YoeError(
            'BAD_FIELD',
            `unit "${unit.name}" gets ${name} from ${other.from} ("${other.value}") and from ${from} ("${value}")`,
            { at: unit.at, unit: unit.name, hint: `decide in its own environment = {"${name}": "…"}` },
          ),
        )
      }
    }
  }
  const mine = [...merged].filter(([name]) => !Object.hasOwn(unit.environment, name))
  return Object.fromEntries(mine.sort(([a], [b]) => (a < b ? -1 : 1)))
}
