import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { userErrors, type YoeError } from '#engine/errors.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import type { Plan } from '../planning.ts'
import { unitOfPlan } from './prepare.ts'
import { indentAt, listText } from './star-edit.ts'
import { changeStar, starFileOf } from './star-file.ts'
import { openTree, stateOf } from './tree.ts'

export interface Extracted {
  readonly unit: string
  /** Absolute. */
  readonly folder: string
  /** As the unit's `patches` has them. */
  readonly patches: readonly string[]
  readonly written: readonly string[]
  readonly removed: readonly string[]
  /** The unit's file has the list. */
  readonly listed: boolean
  /** Why it has not. */
  readonly why?: YoeError
  /** Not committed, so in no patch. */
  readonly edits: readonly string[]
}

/**
 * Makes patches of a unit's commits past upstream: equal commits give equal files. They lie in a folder that is called
 * like the unit's `.star` file, whose list of patches is brought up to date; patches that are no more go.
 *
 * @param to another folder; then the list is for the user to write
 */
export async function extractPatches(plan: Plan, to: string | undefined): Promise<Extracted> {
  const node = unitOfPlan(plan)
  const { unit } = node
  const tree = openTree(plan.workspace, node.id)
  const file = to === undefined ? starFileOf(plan.project, unit) : undefined
  const folder = to ?? (file ?? '').replace(/\.star$/, '')
  const base = file === undefined ? folder : dirname(file)
  const empty = { unit: unit.name, folder, patches: [], written: [], removed: [], listed: false, edits: [] }
  if (tree === undefined) return empty
  const fresh = await mkdtemp(join(tmpdir(), 'yoe-patches-'))
  try {
    const options = ['--zero-commit', '--no-signature', '--no-numbered', '--full-index', '--binary', '--quiet']
    await tree.run.run(['format-patch', ...options, '--output-directory', fresh, 'upstream..HEAD'])
    const names = (await readdir(fresh)).sort()
    const written: string[] = []
    for (const name of names) {
      const content = await readFile(join(fresh, name))
      const old = await readFile(join(folder, name)).catch(() => undefined)
      if (old?.equals(content) === true) continue
      await mkdir(folder, { recursive: true })
      await replaceFile(join(folder, name), content)
      written.push(name)
    }
    const patches = names.map((name) => relative(base, join(folder, name)))
    const { edits } = await stateOf(tree)
    const done = { ...empty, patches, written, edits }
    if (file === undefined) return done
    const text = await readFile(file, 'utf8')
    const value = patches.length === 0 ? undefined : listText(patches, indentAt(text, unit.at))
    try {
      await changeStar(plan, node, 'patches', value)
    } catch (failure) {
      const [why] = userErrors(failure) ?? []
      if (why === undefined) throw failure
      return { ...done, why }
    }
    // Only now: a list that still names them would be a project that can't be read.
    const declared = unit.patches.map((place) => plan.absolute(place))
    const gone = declared.filter((path) => dirname(path) === folder && !names.includes(basename(path)))
    for (const path of gone) await rm(path, { force: true })
    return { ...done, listed: true, removed: gone.map((path) => basename(path)) }
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
}
