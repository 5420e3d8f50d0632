import type { PackageUnit } from '../project/model.ts'

type Splitting = Pick<PackageUnit, 'subpackages' | 'extraSubpackages' | 'upstreamTests'>

/** Suffixes of the packages that a unit makes beside its main one, in a fixed order. */
export function suffixesOf(unit: Splitting): readonly string[] {
  const tests = unit.upstreamTests ? ['tests'] : []
  return [...new Set([...unit.subpackages, ...Object.keys(unit.extraSubpackages), ...tests])].sort()
}

/** Names of all packages that a unit makes: the main one, which is called like the unit, then `<unit>-<suffix>`. */
export function packageNames(unit: Splitting & Pick<PackageUnit, 'name'>): readonly [string, ...string[]] {
  return [unit.name, ...suffixesOf(unit).map((suffix) => `${unit.name}-${suffix}`)]
}

/** Packages that only make sense beside the main one, in its very version. */
export const companionSuffixes: ReadonlySet<string> = new Set(['dev', 'dbg', 'tests'])
