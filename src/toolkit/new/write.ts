import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Workspace } from '../workspace.ts'
import { loadProject, openWorkspace } from '../workspace.ts'
import type { Files } from './app.ts'

/**
 * Adds files to a project that can still be read with them.
 *
 * @param otherwise what to type where one of them exists
 * @throws {YoeErrors} USAGE when one of them exists; what is wrong with the project then, which stays as it was
 */
export async function addFiles(workspace: Workspace, files: Files, otherwise: string): Promise<void> {
  const { root } = workspace
  const there = files.find(([path]) => existsSync(join(root, path)))
  if (there !== undefined) {
    throw new YoeError('USAGE', `there is a ${there[0]} already`, {
      hint: `give the new one another name: ${otherwise}`,
    })
  }
  const written: string[] = []
  try {
    for (const [path, content] of files) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), content, { flag: 'wx' })
      written.push(path)
    }
    await loadProject(openWorkspace(workspace), undefined)
  } catch (failure) {
    for (const path of written) await rm(join(root, path), { force: true })
    throw failure
  }
}
