import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'

/** What a project is called when nothing else is said. */
export const defaultEntry = 'PROJECT.star'

/** Where a project is. */
export interface ProjectFile {
  /** Absolute folder that units/, machines/ and `//` lie in, and build/ and repo/. */
  readonly root: string
  /** The file that declares the project, relative to `root`. */
  readonly entry: string
}

/**
 * Finds the project: the option, `$YOE_PROJECT`, or upwards from here. Either may name a folder with a `PROJECT.star`, or
 * a file: the root of a file of another name is the nearest folder at or above it that has a `PROJECT.star`, else its own.
 *
 * @throws {YoeError} PROJECT_NOT_FOUND
 * @see seed, Projects: `--project`
 */
export function locateProject(
  cwd: string,
  named: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): ProjectFile {
  const asked = named ?? env['YOE_PROJECT']
  if (asked !== undefined && asked !== '') return fromPath(resolve(cwd, asked))
  const root = withDefaultEntry(cwd)
  if (root !== undefined) return { root, entry: defaultEntry }
  throw new YoeError('PROJECT_NOT_FOUND', `neither ${cwd} nor a folder above it has a PROJECT.star`, {
    hint: 'yoe init NAME makes a new project; --project DIR names one elsewhere',
  })
}

function fromPath(path: string): ProjectFile {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  if (isFolder || basename(path) === defaultEntry || !path.endsWith('.star')) {
    const root = !isFolder && basename(path) === defaultEntry ? dirname(path) : path
    if (existsSync(join(root, defaultEntry))) return { root, entry: defaultEntry }
    const files = isFolder ? starFiles(root).toSorted().slice(0, 8).join(', ') : ''
    const has = files === '' ? '' : `; it has: ${files}`
    throw new YoeError('PROJECT_NOT_FOUND', `there is no PROJECT.star in ${root}`, {
      hint: `name the folder that holds it, or a .star file that declares a project${has}`,
    })
  }
  const folder = dirname(path)
  if (!existsSync(path)) {
    throw new YoeError('PROJECT_NOT_FOUND', `there is no project file ${path}`, {
      hint: didYouMean(basename(path), starFiles(folder)) ?? 'name a .star file that declares a project',
    })
  }
  const root = withDefaultEntry(folder) ?? folder
  return { root, entry: relative(root, path) }
}

/** The nearest folder at or above one that has a PROJECT.star. */
function withDefaultEntry(start: string): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, defaultEntry))) return folder
    if (folder === dirname(folder)) return undefined
  }
}

function starFiles(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.star')) : []
}

const mark = '@'

/** Whether a folder of `build/` is that of a project which is not PROJECT.star. */
export function isProjectFolder(name: string): boolean {
  return name.startsWith(mark)
}

/**
 * The folder under `build/` of a project that shares its root with others; '' for the one of PROJECT.star. Begins with
 * `@`, which no distro does: their folders lie beside it.
 */
export function buildFolder(entry: string): string {
  if (entry === defaultEntry) return ''
  const name = entry.replace(/\.star$/, '')
  return `${mark}${name.replaceAll(/[%+]/g, encodeURIComponent).replaceAll('/', '+')}`
}
