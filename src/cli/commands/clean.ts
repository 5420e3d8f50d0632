import { existsSync, globSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isRunning } from '#engine/build/running.ts'
import { removeTree } from '#engine/build/tree.ts'
import { userErrors, YoeError, YoeErrors } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import { lockFile } from '#engine/store/lock.ts'
import { defaultEntry, isProjectFolder } from '#toolkit/project-file.ts'
import type { Workspace } from '#toolkit/workspace.ts'
import { loadProject } from '#toolkit/workspace.ts'
import type { Invocation, Options } from '../command.ts'
import { command, projectOptions } from '../command.ts'
import type { Output } from '../output.ts'
import { workspaceOf } from '../project.ts'

export const clean = command({
  usage: 'clean [UNIT…] [--all]',
  summary: 'remove what builds left',
  details: `Removes the build folders (of the named units, or all); cached results stay, so the next build is quick.
With --all the cache and the repository go, too.

  yoe clean
  yoe clean sensord
  yoe clean --all`,
  options: {
    project: projectOptions.project,
    all: { type: 'boolean', help: 'remove the cache and the package repository, too' },
  },
  positionals: [0, Number.POSITIVE_INFINITY],
  completes: ['target'],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const workspace = workspaceOf(invocation)
    const { buildRoot } = workspace
    if (positionals.length === 0) {
      // First, since what is kept of the evaluation goes with the rest.
      const more = values.all ? [workspace.repoRoot, await cacheOf(workspace)] : []
      for (const cache of more.slice(1)) await forgetImages(cache)
      const folders = [...(await buildFolders(workspace)), ...more]
      refuseRunning(builtIn(folders))
      await refuseEdited(workspace, folders)
      await using _alone = await aloneWith(more.at(-1), invocation)
      for (const folder of folders) await removeTree(folder)
      tellRemoved(folders, output)
      return 0
    }
    const distros = (await foldersIn(buildRoot)).filter((name) => !isProjectFolder(name))
    const built = (
      await Promise.all(
        distros.map(async (distro) =>
          (await foldersIn(join(buildRoot, distro))).map((entry) => join(buildRoot, distro, entry)),
        ),
      )
    ).flat()
    const removed: string[] = []
    for (const unit of positionals) {
      const named = built.filter((folder) => nameOf(folder) === unit)
      if (named.length === 0) {
        throw new YoeError('USAGE', `nothing of "${unit}" was built here`, {
          hint: didYouMean(unit, built.map(nameOf)) ?? 'yoe clean, without a name, removes all that was built',
        })
      }
      refuseRunning(named)
      await refuseEdited(workspace, named)
      for (const folder of named) await removeTree(folder)
      removed.push(...named)
    }
    tellRemoved(removed, output)
    return 0
  },
})

/** What somebody typed into a source is not what a build left. */
async function refuseEdited(workspace: Workspace, folders: readonly string[]): Promise<void> {
  if (globSync('*/*/src.git', { cwd: workspace.buildRoot }).length === 0) return
  const { refuseRemoval } = await import('#toolkit/dev/status.ts')
  await refuseRemoval(workspace, folders)
}

/** Folders of nodes, below folders that hold them at whatever depth. */
function builtIn(folders: readonly string[]): readonly string[] {
  return folders.flatMap((folder) =>
    globSync(['running', '*/running', '*/*/running', '*/*/*/running'], { cwd: folder }).map((path) =>
      dirname(join(folder, path)),
    ),
  )
}

/** @throws {YoeErrors} one for each that is being built */
function refuseRunning(folders: readonly string[]): void {
  const errors = folders
    .filter((folder) => isRunning(join(folder, 'running')))
    .map((folder) => {
      const unit = nameOf(folder)
      const hint = `wait for its end (yoe log ${unit} -f), or stop it`
      return new YoeError('USAGE', `${unit} is being built: ${folder} stays`, { hint })
    })
  if (errors.length > 0) throw new YoeErrors(errors)
}

/** Waits until nobody uses a cache, of whatever project. */
async function aloneWith(cache: string | undefined, { report, signal }: Invocation<Options>): Promise<AsyncDisposable> {
  if (cache === undefined || !existsSync(join(cache, 'locks'))) return { [Symbol.asyncDispose]: async () => {} }
  const waiting = (holder: string): void =>
    report({ type: 'notice', message: `waiting for builds that use ${cache}: ${holder} has it` })
  return lockFile(join(cache, 'locks', 'in-use'), { signal, waiting })
}

/** Docker's images of roots of this cache, where it ever had any. */
async function forgetImages(cache: string): Promise<void> {
  const records = join(cache, 'docker')
  if (!existsSync(records)) return
  const { removeRecordedImages } = await import('#engine/build/docker.ts')
  await removeRecordedImages(records)
}

/** All of `build/`; where other projects of the same root have folders in it, all but these. */
async function buildFolders({ buildRoot, entry }: Workspace): Promise<readonly string[]> {
  const inside = entry === defaultEntry ? await foldersIn(buildRoot) : []
  if (!inside.some(isProjectFolder)) return [buildRoot]
  return inside.filter((name) => !isProjectFolder(name)).map((name) => join(buildRoot, name))
}

/** The cache that the project names, if it can say so. */
async function cacheOf(workspace: Workspace): Promise<string> {
  try {
    return (await loadProject({ ...workspace, offline: true }, undefined)).workspace.cacheRoot
  } catch (failure) {
    if (userErrors(failure) === undefined) throw failure
    return workspace.cacheRoot
  }
}

function tellRemoved(folders: readonly string[], output: Output): void {
  if (output.json) output.printJson({ removed: folders })
  else output.print(`removed ${folders.join(', ')}`)
}

/** Names of the folders in a folder; none when it is missing. */
async function foldersIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

function nameOf(folder: string): string {
  return (folder.split('/').at(-1) ?? '').replace(/\.[^.]+$/, '')
}
