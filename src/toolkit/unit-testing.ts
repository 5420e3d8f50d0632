import type { UnitTestReport } from '#engine/build/unit-tests.ts'
import { runUnitTests } from '#engine/build/unit-tests.ts'
import { YoeError } from '#engine/errors.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import { dependenciesOf } from '#engine/plan/graph.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { buildPlan, throwFailures } from './building.ts'
import type { Catalog } from './catalog-view.ts'
import { withProject } from './catalog-view.ts'
import { findName } from './introspect/naming.ts'
import { planCatalog } from './planning.ts'

/**
 * Builds units where they changed, and runs their tests.
 *
 * @param names of units; empty: every unit that has tests
 * @throws {YoeErrors} when a unit can't be built, or one that was named has no tests; failed tests are in the reports
 */
export async function testUnits(
  catalog: Catalog,
  names: readonly string[],
  jobs: number,
): Promise<readonly UnitTestReport[]> {
  const units = await chosenUnits(catalog, names)
  if (units.length === 0) return []
  const around = units.map(testingUnit)
  const { project } = catalog
  const plan = await planCatalog(
    withProject(catalog, { ...project, units: [...project.units, ...around] }),
    around.map(({ name }) => name),
  )
  const nodes = plan.targets.filter((node) => node.kind === 'package')
  const reports: UnitTestReport[] = []
  const outcome = await buildPlan(plan, {
    jobs,
    keepGoing: false,
    force: false,
    targets: [...new Set(nodes.flatMap(dependenciesOf))],
    finish: async (context, results) => {
      for (const [index, node] of nodes.entries()) {
        const unit = underTest(node, units[index]?.name)
        reports.push(await runUnitTests(context, unit, node, results))
      }
    },
  })
  throwFailures(outcome)
  return reports
}

/** A unit that needs what tests of `unit` need: it, and what it was built with. No unit can be called so. */
function testingUnit(unit: PackageUnit): PackageUnit {
  const { source: _, ...rest } = unit
  return {
    ...rest,
    name: `${unit.name}~test`,
    deps: [...unit.deps, { name: unit.name }],
    tasks: unit.tests.map(({ name, command, at }) => ({
      name,
      steps: [{ kind: 'run', command }],
      network: false,
      at,
    })),
    patches: [],
    provides: [],
    replaces: [],
    conflicts: [],
    services: [],
    conffiles: [],
    subpackages: [],
    extraSubpackages: {},
  }
}

function underTest(node: PackageNode, name: string | undefined): PackageNode {
  const found = node.sysroot.find(({ unit }) => unit.name === name)
  if (found === undefined) throw new TypeError(`${node.id} lacks the unit that it tests`)
  return found
}

async function chosenUnits(catalog: Catalog, names: readonly string[]): Promise<readonly PackageUnit[]> {
  if (names.length === 0) {
    return catalog.view
      .units()
      .filter((unit) => unit.kind === 'package')
      .filter(({ tests }) => tests.length > 0)
  }
  const chosen = new Set<PackageUnit>()
  for (const name of names) chosen.add(await unitWithTests(catalog, name))
  return [...chosen]
}

async function unitWithTests(catalog: Catalog, name: string): Promise<PackageUnit> {
  const found = await findName(catalog, name)
  const unit = found.kind === 'unit' ? found.unit : undefined
  if (unit?.kind === 'package' && unit.tests.length > 0) return unit
  if (unit?.kind === 'image') {
    throw new YoeError('USAGE', `${unit.name} is an image: its tests run in a guest`, {
      at: unit.at,
      hint: `yoe run ${unit.name} --boot-test`,
    })
  }
  throw new YoeError('USAGE', `${unit?.name ?? name} has no tests`, {
    at: unit?.at,
    hint: 'tests = [test("works", run = "…")] in its unit(…)',
  })
}
