import { copyFile, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hostArch } from '#engine/arch.ts'
import type { BuildContext } from '#engine/build/context.ts'
import type { Finished } from '#engine/build/finished.ts'
import { foldersOf } from '#engine/build/folders.ts'
import { buildPackage } from '#engine/build/package-build.ts'
import { removeTree } from '#engine/build/tree.ts'
import { openUnitLog } from '#engine/build/unit-log.ts'
import type { Difference } from '#engine/compare-tars.ts'
import type { Node, PackageNode } from '#engine/plan/graph.ts'
import { inOrder } from '#engine/plan/graph.ts'
import { buildPlan, throwFailures } from './building.ts'
import type { Circumstances } from './circumstances.ts'
import { otherCircumstances } from './circumstances.ts'
import type { Plan } from './planning.ts'

/** What building a unit a second time came to. */
export interface Reproduction {
  readonly unit: string
  /** The node's id. */
  readonly id: string
  readonly ms: number
  /** Packages, with what is different in each; empty when every byte is the same. */
  readonly differing: readonly {
    /** `app_1.0-r0_amd64.deb` */
    readonly name: string
    /** Absolute: both, kept for a closer look. */
    readonly first: string
    readonly second: string
    readonly differences: readonly Difference[]
  }[]
}

export interface ReproductionReport extends Pick<Circumstances, 'varied' | 'missing'> {
  readonly units: readonly Reproduction[]
}

/**
 * Builds every package among the targets of a plan, and those that its images are made of, once more under other
 * circumstances, and compares with the first results, which are built where they are not there. What the second build
 * makes is never stored.
 *
 * @throws {YoeErrors} when a unit can't be built
 */
export async function reproduce(plan: Plan, jobs: number): Promise<ReproductionReport> {
  let report: ReproductionReport | undefined
  const outcome = await buildPlan(plan, {
    jobs,
    keepGoing: false,
    force: false,
    targets: packagesAmong(plan),
    finish: async (context, results) => {
      report = await buildAgain(context, results, packagesAmong(plan))
    },
  })
  throwFailures(outcome)
  if (report === undefined) throw new TypeError('the second build did not run')
  return report
}

/** Packages of units that are targets; of an image all that is built on the way to it. */
function packagesAmong(plan: Plan): readonly PackageNode[] {
  const wanted = plan.targets.flatMap((node) => (node.kind === 'image' ? inOrder([node]) : [node]))
  return [...new Set<Node>(wanted)].filter((node) => node.kind === 'package')
}

async function buildAgain(
  context: BuildContext,
  results: Finished,
  nodes: readonly PackageNode[],
): Promise<ReproductionReport> {
  await mkdir(context.buildRoot, { recursive: true })
  const other = await otherCircumstances(context.worker, context.buildRoot)
  const units: Reproduction[] = []
  try {
    for (const node of nodes) {
      const worker = node.arch === hostArch() ? other.worker : context.worker
      const { buildRoot, processors } = other
      units.push(await again(context, { ...context, buildRoot, processors, worker }, results, node))
    }
  } finally {
    await other.restore()
    await removeTree(other.buildRoot)
  }
  return { varied: other.varied, missing: other.missing, units }
}

async function again(
  context: BuildContext,
  second: BuildContext,
  results: Finished,
  node: PackageNode,
): Promise<Reproduction> {
  const start = performance.now()
  const title = `${node.unit.name} once more`
  const { report } = context
  const place = join(foldersOf(context.buildRoot, node).root, 'reproduce')
  await rm(place, { recursive: true, force: true })
  await mkdir(place, { recursive: true })
  const logPath = join(place, 'build.log')
  report({ type: 'unit-started', unit: node.id, title, why: 'to compare', log: logPath })
  const log = openUnitLog(logPath, node.id, report)
  const differing: Reproduction['differing'][number][] = []
  try {
    const packages = await buildPackage(second, node, results, log)
    const manifest = await results.manifestOf(node)
    const firsts = await results.packagesOf(node)
    for (const [index, { name }] of manifest.files.entries()) {
      const [made, known] = [packages.find(({ filename }) => filename === name), firsts[index]]
      if (made === undefined || known === undefined) throw new TypeError(`${node.id} made no ${name} the second time`)
      const differences = await context.format.compare(known.path, made.path)
      if (differences.length === 0) continue
      const kept = { first: join(place, 'first', name), second: join(place, 'second', name) }
      for (const [from, to] of [
        [known.path, kept.first],
        [made.path, kept.second],
      ] as const) {
        await mkdir(join(to, '..'), { recursive: true })
        await copyFile(from, to)
      }
      differing.push({ name, ...kept, differences })
    }
    return { unit: node.unit.name, id: node.id, ms: performance.now() - start, differing }
  } finally {
    log.close()
    report({ type: 'unit-ended', unit: node.id, outcome: 'built', ms: performance.now() - start })
  }
}
