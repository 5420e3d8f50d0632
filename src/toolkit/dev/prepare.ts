import { join } from 'node:path'
import type { BuildContext } from '#engine/build/context.ts'
import type { Finished } from '#engine/build/finished.ts'
import { foldersOf } from '#engine/build/folders.ts'
import { prepareTree } from '#engine/build/source-step.ts'
import type { UnitLog } from '#engine/build/unit-log.ts'
import { openUnitLog } from '#engine/build/unit-log.ts'
import { YoeError } from '#engine/errors.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import { rootsOf } from '#engine/plan/graph.ts'
import type { RemoteSource } from '#engine/source/fetch.ts'
import { buildPlan, throwFailures } from '../building.ts'
import type { Plan } from '../planning.ts'
import { hasTree } from './sources.ts'

/** What works on sources with the programs of a unit's own toolchain. */
export interface SourceWork {
  readonly context: BuildContext
  readonly source: RemoteSource
  /** Absolute folder of the root whose programs unpack. */
  readonly toolchain: string
  readonly log: UnitLog
}

/**
 * Has the toolchains of units made, and then works on their sources, one after the other.
 * @throws {YoeErrors} when a toolchain can't be made
 */
export async function withToolchains(
  plan: Plan,
  nodes: readonly PackageNode[],
  work: (node: PackageNode, at: SourceWork) => Promise<void>,
): Promise<void> {
  const run = async (context: BuildContext, results: Finished): Promise<void> => {
    for (const node of nodes) {
      const { source } = node.unit
      const root = node.unpacker ?? node.toolchain
      if (source === undefined || source.kind === 'path' || root === undefined) continue
      const folders = foldersOf(context.buildRoot, node)
      const log = openUnitLog(join(folders.root, 'source.log'), node.id, context.report)
      try {
        await work(node, { context, source, toolchain: await results.rootOf(root), log })
      } finally {
        log.close()
      }
    }
  }
  const targets = [...new Set(nodes.flatMap(rootsOf))]
  throwFailures(await buildPlan(plan, { jobs: 1, keepGoing: false, force: false, targets, finish: run }))
}

/** Makes the work trees of units anew from what they declare. @throws {YoeErrors} */
export async function prepareTrees(plan: Plan, nodes: readonly PackageNode[]): Promise<void> {
  await withToolchains(plan, nodes, async (node, { context, source, toolchain, log }) => {
    await prepareTree(context, node, source, toolchain, foldersOf(context.buildRoot, node), log)
  })
}

/** The unit that a plan is about. @throws {YoeError} USAGE for what has no source of somebody else */
export function unitOfPlan({ targets, absolute }: Plan): PackageNode {
  const [node] = targets
  if (node === undefined) throw new TypeError('a plan without its target')
  if (hasTree(node) && node.toolchain !== undefined) return node
  const { name, at } = node.unit
  if (node.kind !== 'package') {
    throw new YoeError('USAGE', `${name} is no unit that is built from source`, {
      at,
      hint: 'name one: yoe list units',
    })
  }
  const { source } = node.unit
  if (source?.kind === 'path') {
    throw new YoeError('USAGE', `${name} is built from ${absolute(source.place)} as it is`, {
      at,
      hint: `edit there; yoe build ${name}, or yoe dev watch ${name}`,
    })
  }
  throw new YoeError('USAGE', `${name} has no source`, { at, hint: 'there is nothing to edit but its .star file' })
}
