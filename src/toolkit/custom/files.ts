import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Place, Project } from '#engine/project/model.ts'
import { commandsFolder } from '#engine/project/place.ts'

/** A file that is one command of the command line, called like the file. */
export interface CommandFile {
  readonly name: string
  /** '' for the project itself. */
  readonly module: string
  readonly place: Place
}

/**
 * The commands of a project and its modules, by name: the project's win over those of modules, those of later modules
 * over earlier ones. Looks at names of files only; subfolders are for what commands load.
 */
export function commandFiles(project: Pick<Project, 'root' | 'modules'>): ReadonlyMap<string, CommandFile> {
  const owners = [...project.modules, { name: '', root: project.root }]
  const found = owners.flatMap(({ name: module, root }) =>
    namesIn(join(root, commandsFolder)).map((name): [string, CommandFile] => [
      name,
      { name, module, place: { module, path: `${commandsFolder}/${name}.star` } },
    ]),
  )
  return new Map(found.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}

function namesIn(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true })
    return entries.flatMap((entry) =>
      entry.name.endsWith('.star') && !entry.isDirectory() ? [entry.name.slice(0, -'.star'.length)] : [],
    )
  } catch {
    return [] // none, or none that can be read
  }
}
