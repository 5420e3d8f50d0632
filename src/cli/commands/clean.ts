import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { removeTree } from '#engine/build/tree.ts'
import { userErrors, YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import { defaultEntry, isProjectFolder } from '#toolkit/project-file.ts'
import type { Workspace } from '#toolkit/workspace.ts'
import { loadProject } from '#toolkit/workspace.ts'
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
      for (const folder of named) await removeTree(folder)
      removed.push(...named)
    }
    tellRemoved(removed, output)
    return 0
  },
})

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
