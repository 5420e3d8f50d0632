import type { Change } from '#engine/source/work-tree-edits.ts'
import { editsIn } from '#engine/source/work-tree-edits.ts'
import type { Plan } from '../planning.ts'
import { unitOfPlan } from './prepare.ts'
import { openTree } from './tree.ts'

export interface Changes {
  readonly unit: string
  /** Past upstream, newest first. */
  readonly commits: readonly { readonly id: string; readonly subject: string }[]
  /** In no commit; products of builds left out. */
  readonly edits: readonly Change[]
  /** A line for each file, or all changes. */
  readonly text: string
}

/** What the work tree of a plan's unit has that upstream has not. */
export async function changesOf(plan: Plan, patch: boolean): Promise<Changes> {
  const node = unitOfPlan(plan)
  const tree = openTree(plan.workspace, node.id)
  if (tree === undefined) return { unit: node.unit.name, commits: [], edits: [], text: '' }
  const { run } = tree
  const log = await run.run(['log', '--format=%H %s', 'upstream..HEAD'])
  const edits = await editsIn(run, tree)
  const tracked = edits.filter(({ kind }) => kind !== 'added').map(({ path }) => path)
  const style = patch ? ['--patch', '--no-color'] : ['--stat=100']
  const args = ['diff', ...style, '--no-ext-diff', '--no-textconv', '--ignore-submodules=all', 'upstream']
  // What a build changed in a pinned tree is nobody's change.
  const committed = await run.run([...args, 'HEAD'])
  const edited =
    tracked.length === 0
      ? ''
      : await run.run([...args.slice(0, -1), 'HEAD', '--', ...tracked.map((path) => `:(literal)${path}`)])
  return {
    unit: node.unit.name,
    commits: log
      .split('\n')
      .filter(Boolean)
      .map((line) => ({ id: line.slice(0, 40), subject: line.slice(41) })),
    edits,
    text: [committed, edited].filter(Boolean).join('\n'),
  }
}
