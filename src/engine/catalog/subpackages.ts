import type { PackageUnit } from '../project/model.ts'

/** Suffixes of the packages that a unit makes beside its main one, in a fixed order. */
export function suffixesOf(unit: Pick<PackageUnit, 'subpackages' | 'extraSubpackages'>): readonly string[] {
  return [...new Set([...unit.subpackages, ...Object.keys(unit.extraSubpackages)])].sort()
}

/** Names of all packages that a unit makes: the main one, which is called like the unit, then `<unit>-<suffix>`. */
export function packageNames(
  unit: Pick<PackageUnit, 'name' | 'subpackages' | 'extraSubpackages'>,
): readonly [string, ...string[]] {
  return [unit.name, ...suffixesOf(unit).map((suffix) => `${unit.name}-${suffix}`)]
}
