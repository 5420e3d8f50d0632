import { globSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Project } from '#engine/project/model.ts'
import { readDev } from '#engine/source/work-tree.ts'
import { editsIn } from '#engine/source/work-tree-edits.ts'
import type { Workspace } from '../workspace.ts'
import { placeResolver } from '../workspace.ts'
import { enterDev, isBuilding, openTree } from './tree.ts'

/**
 * Puts units into dev state whose pinned work trees somebody edited: what was typed is what shall be built. Commits are
 * found by every plan; edits cost a look at the whole tree, so only the units that are named are looked at.
 */
export async function adoptEdits(workspace: Workspace, names: readonly string[]): Promise<void> {
  const { buildRoot, report } = workspace
  const ids = names.flatMap((name) => globSync(`*/${escaped(name)}.*/src.git/yoe.json`, { cwd: buildRoot }))
  for (const id of ids.map((path) => dirname(dirname(path)))) {
    const tree = openTree(workspace, id)
    if (tree === undefined || readDev(tree) !== undefined || isBuilding(tree)) continue
    const edits = await editsIn(tree.run, tree)
    if (edits.length === 0) continue
    await enterDev(tree, { by: 'edits' })
    const [first, ...more] = edits.map(({ path }) => path)
    const files = `${first}${more.length === 0 ? '' : ` and ${more.length} more`}`
    report({ type: 'notice', message: `${unitOf(id)} was edited (${files}): it is in dev mode now` })
  }
}

const escaped = (name: string): string => name.replaceAll(/[[\]{}()*?!+@\\]/g, '\\$&')

/** `debian/zlib.x86_64` is about zlib. */
function unitOf(id: string): string {
  return (id.split('/')[1] ?? '').replace(/\.[^.]+$/, '')
}

/** The unit in whose work tree a folder is, by where it lies; undefined when it is in none. */
export function unitOfTree({ buildRoot }: Pick<Workspace, 'buildRoot'>, cwd: string): string | undefined {
  const here = realpathSync(cwd)
  const root = realOf(buildRoot)
  if (root === undefined || !`${here}/`.startsWith(`${root}/`)) return undefined
  const [distro, folder, source] = here.slice(root.length + 1).split('/')
  return distro === undefined || folder === undefined || source !== 'src' ? undefined : unitOf(`${distro}/${folder}`)
}

/**
 * The unit whose `path()` source a folder lies in; undefined when it is in none, or in the whole project's.
 * @throws {YoeError} USAGE when it is in those of several
 */
export function unitOfPath(project: Project, cwd: string): string | undefined {
  const here = `${realpathSync(cwd)}/`
  const absolute = placeResolver({ project })
  const found = project.units.flatMap((unit) => {
    if (unit.kind !== 'package' || unit.source?.kind !== 'path') return []
    const folder = realOf(absolute(unit.source.place))
    return folder === undefined || folder === project.root || !here.startsWith(`${folder}/`) ? [] : [unit.name]
  })
  const [name, ...others] = [...new Set(found)]
  if (others.length === 0) return name
  throw new YoeError('USAGE', `this folder is the source of several units: ${[name, ...others].join(', ')}`, {
    hint: `name one: yoe build ${name}`,
  })
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}
