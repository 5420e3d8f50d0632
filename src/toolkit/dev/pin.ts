import { readFile } from 'node:fs/promises'
import { digestOfPatches, patchesOf } from '#engine/build/source-step.ts'
import { YoeError } from '#engine/errors.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import { mainBranch, nameUpstream, readDev, sourceId, writeDev, writePrepared } from '#engine/source/work-tree.ts'
import { editsIn } from '#engine/source/work-tree-edits.ts'
import { commitPatches } from '#engine/source/work-tree-patches.ts'
import type { Plan } from '../planning.ts'
import { unitOfPlan } from './prepare.ts'
import { changeStar } from './star-file.ts'
import type { OpenTree } from './tree.ts'
import { openTree, refuseBuilding } from './tree.ts'

export interface PinOptions {
  /** Drop commits and edits that no patch has. */
  readonly discard: boolean
  /** Make HEAD what the unit declares. */
  readonly update: boolean
}

export interface Pinned {
  readonly unit: string
  readonly changed: boolean
  /** What was dropped can be found at this commit. */
  readonly kept?: string
  /** The tag that the unit's file has now. */
  readonly tag?: string
}

/**
 * Puts the unit of a plan back to what it declares.
 * @throws {YoeError} SOURCE_STATE when that would lose commits or edits, or HEAD is nothing that others have
 */
export async function endDev(plan: Plan, { discard, update }: PinOptions): Promise<Pinned> {
  const node = unitOfPlan(plan)
  const { name } = node.unit
  const tree = openTree(plan.workspace, node.id)
  if (tree === undefined) return { unit: name, changed: false }
  refuseBuilding(tree, name)
  const edits = (await editsIn(tree.run, tree)).map(({ path }) => path)
  const record = readDev(tree)
  if (update) {
    const tag = await captured(tree, node, edits)
    await changeStar(plan, node, 'tag', JSON.stringify(tag))
    await leave(plan, tree, node)
    return { unit: name, changed: true, tag }
  }
  const commits = record === undefined ? [] : await commitsWithoutPatch(plan, tree, node)
  if (record === undefined && edits.length === 0) return { unit: name, changed: false }
  const lost = [...commits, ...edits.map((path) => `edited: ${path}`)]
  if (lost.length > 0 && !discard) {
    throw new YoeError(
      'SOURCE_STATE',
      `pinning ${name} would lose what is only in ${tree.source}\n  ${shownList(lost)}`,
      {
        unit: name,
        hint: [
          edits.length > 0 ? `git -C ${tree.source} commit -a, and` : '',
          `yoe dev extract ${name} makes patches of it; yoe dev pin ${name} --discard drops it`,
        ]
          .join(' ')
          .trim(),
      },
    )
  }
  const kept = lost.length === 0 ? undefined : await keepDropped(tree)
  await leave(plan, tree, node)
  return { unit: name, changed: true, ...(kept === undefined ? {} : { kept }) }
}

/** Brings the tree to what it was prepared as, with the patches of now; commits stay in its repository. */
async function leave(plan: Plan, tree: OpenTree, { unit }: PackageNode): Promise<void> {
  const { run, prepared } = tree
  await nameUpstream(tree.run, prepared.upstream)
  await run.run(['checkout', '--quiet', '--force', '-B', mainBranch, prepared.head])
  await run.run(['clean', '-ffdxq'])
  await writeDev(tree, undefined)
  const patches = patchesOf(plan, unit)
  const now = digestOfPatches(patches)
  const { source } = unit
  // Another source is for the next build to unpack.
  if (now === prepared.patches || source === undefined || source.kind === 'path') return
  if (sourceId(source) !== prepared.source) return
  await run.run(['reset', '--quiet', '--hard', prepared.upstream])
  await writePrepared(tree, { ...prepared, patches: digestOfPatches([]), head: prepared.upstream })
  const head = await commitPatches(run, tree, patches)
  await writePrepared(tree, { ...prepared, patches: now, head })
}

const shownList = (lines: readonly string[]): string =>
  [...lines.slice(0, 10), ...(lines.length > 10 ? [`… ${lines.length - 10} more`] : [])].join('\n  ')

/** Commits past upstream whose change is in no patch that the unit declares, newest first. */
async function commitsWithoutPatch(
  plan: Plan,
  { run, prepared }: OpenTree,
  node: PackageNode,
): Promise<readonly string[]> {
  // What yoe made of the patches is in them, also of diffs whose commits git gives other ids than the diffs themselves.
  const made = digestOfPatches(patchesOf(plan, node.unit)) === prepared.patches ? [`^${prepared.head}`] : []
  const log = await run.run(['log', '--format=%H %s', 'upstream..HEAD', ...made])
  if (log === '') return []
  const ids = async (text: string | Uint8Array): Promise<readonly (readonly string[])[]> =>
    (await run.run(['patch-id', '--stable'], { input: text })).split('\n').map((line) => line.split(' '))
  const declared = new Set<string | undefined>()
  for (const place of node.unit.patches) {
    for (const [id] of await ids(await readFile(plan.absolute(place)))) declared.add(id)
  }
  const series = await run.try(['log', '--patch', '--binary', '--full-index', '--no-color', 'upstream..HEAD'])
  const extracted = new Set((await ids(series.stdout)).filter(([id]) => declared.has(id)).map(([, commit]) => commit))
  return log
    .split('\n')
    .filter((line) => !extracted.has(line.slice(0, 40)))
    .map((line) => `${line.slice(0, 12)}${line.slice(40)}`)
}

/** Keeps what is dropped as a commit that nothing but a name leads to. */
async function keepDropped({ run }: OpenTree): Promise<string> {
  const head = await run.run(['rev-parse', 'HEAD'])
  await run.run(['add', '--all', '.'])
  const tree = await run.run(['write-tree'])
  const commit = await run.run(['commit-tree', tree, '-p', head], { input: 'What yoe dev pin --discard dropped\n' })
  await run.run(['update-ref', `refs/yoe/discarded/${commit.slice(0, 12)}`, commit])
  return commit
}

/** What others can get HEAD by: its tag, else its id. @throws {YoeError} SOURCE_STATE, USAGE */
async function captured(
  { run, source, prepared }: OpenTree,
  { unit }: PackageNode,
  edits: readonly string[],
): Promise<string> {
  if (unit.source?.kind !== 'git') {
    throw new YoeError('USAGE', `the source of ${unit.name} is an archive, which has no commits to pin`, {
      at: unit.at,
      hint: `yoe dev extract ${unit.name} makes patches of what you changed`,
    })
  }
  if (edits.length > 0) {
    throw new YoeError('SOURCE_STATE', `${source} has edits that are in no commit: ${edits.slice(0, 5).join(', ')}`, {
      unit: unit.name,
      hint: `git -C ${source} commit -a, or: git -C ${source} stash`,
    })
  }
  const head = await run.run(['rev-parse', 'HEAD'])
  const format = ['for-each-ref', '--format=%(refname)', '--contains', 'HEAD', 'refs/remotes', 'refs/tags']
  const known = (await run.run(format)).split('\n').filter((ref) => ref !== '' && ref !== 'refs/tags/upstream')
  if (known.length === 0 && head !== prepared.upstream) {
    const subject = await run.run(['log', '-1', '--format=%h %s'])
    throw new YoeError('SOURCE_STATE', `HEAD of ${source} is yours alone: ${subject}`, {
      unit: unit.name,
      hint: `push it to where ${unit.name} comes from, or: yoe dev extract ${unit.name}`,
    })
  }
  const tags = (await run.run(['tag', '--points-at', 'HEAD', '--sort=-version:refname'])).split('\n')
  return tags.find((tag) => tag !== '' && tag !== 'upstream') ?? head
}
