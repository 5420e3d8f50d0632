import { dependencyText, versionHint } from '../catalog/explain.ts'
import { YoeError } from '../errors.ts'
import type { PackageUnit } from '../project/model.ts'
import { titleOf } from './closures.ts'
import { isMet, offerText } from './offers.ts'
import type { Resolving } from './resolving.ts'
import { runtimeGroups } from './unit-records.ts'

/** Checks that everything a unit needs to run exists in some version that it takes, whoever installs the unit. */
export function checkRuntimeDeps(resolving: Resolving, unit: PackageUnit): void {
  const { universe, names } = resolving
  for (const group of runtimeGroups(universe, unit)) {
    const known = group.filter(({ name }) => names.find(name) !== undefined)
    const asked = known.length === 0 ? group.slice(0, 1) : known
    const found = asked.map((one) => ({ one, means: resolving.meaning(one.name, unit.at, `unit "${unit.name}"`) }))
    if (found.some(({ one, means }) => means === undefined || isMet(universe, means, one))) continue
    const offers = found.flatMap(({ one, means }) =>
      means === undefined ? [] : [offerText(universe, means, one.name)],
    )
    resolving.errors.push(
      new YoeError(
        'UNSATISFIABLE',
        `${titleOf(unit)} needs ${asked.map(dependencyText).join(' | ')}; ${offers.join(', ')}`,
        {
          at: unit.at,
          unit: unit.name,
          hint: versionHint(found.some(({ means }) => means?.kind === 'unit') ? 'unit' : 'feed'),
        },
      ),
    )
  }
}
