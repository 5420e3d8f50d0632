import type { Rebuild } from '#engine/build/executor.ts'
import type { Node } from '#engine/plan/graph.ts'
import { inOrder } from '#engine/plan/graph.ts'
import type { Plan } from './planning.ts'

/** What is to be built although its result is known. */
export interface RebuildWish {
  /** The targets. */
  readonly force?: boolean | undefined
  /** The targets, from nothing: also without their cache folders and what developing left. */
  readonly clean?: boolean | undefined
  /** The targets and all that they are made of, down to the toolchains. */
  readonly noCache?: boolean | undefined
}

/** The nodes that are built although their results are known, each with who wants it. */
export function rebuilds(targets: readonly Node[], wish: RebuildWish): ReadonlyMap<Node, Rebuild> {
  const found = new Map<Node, Rebuild>()
  const want = (nodes: readonly Node[], option: string, clean = false): void => {
    for (const node of nodes) found.set(node, { why: `asked for by ${option}`, clean })
  }
  if (wish.noCache === true) want(inOrder(targets), '--no-cache')
  if (wish.force === true) want(targets, '--force')
  if (wish.clean === true) want(targets, '--clean', true)
  return found
}

/** The same plan, with the units that its targets are built from as targets, too. */
export function withDependencies<P extends Pick<Plan, 'targets'>>(plan: P): P {
  const below = inOrder(plan.targets).filter((node) => node.kind === 'package' || plan.targets.includes(node))
  return { ...plan, targets: below }
}
