import { posix } from 'node:path'
import type { Place } from './model.ts'

/** Where a project or module keeps commands of the command line. */
export const commandsFolder = 'commands'

/** How a file is named to users and in load(): `units/app.star` in the project, `@module-core//classes/cmake.star` in a module. */
export function placeLabel(place: Place): string {
  return place.module === '' ? place.path : `@${place.module}//${place.path}`
}

/** The reverse of `placeLabel`. */
export function parseLabel(label: string): Place {
  const match = /^@([^/]+)\/\/(.*)$/s.exec(label)
  const [module, path] = [match?.[1], match?.[2]]
  return module === undefined || path === undefined ? { module: '', path: label } : { module, path }
}

/**
 * Where a reference leads: `@module//path`, `//path` (the root of whatever holds `from`) or a path relative to the folder
 * of `from`.
 * @returns undefined when it would leave its root
 * @see seed, Naming and Resolution, Load references
 */
export function follow(reference: string, from: Place): Place | undefined {
  if (reference.startsWith('@')) {
    const match = /^@([A-Za-z0-9][A-Za-z0-9._+-]*)\/\/(.*)$/s.exec(reference)
    const [module, path] = [match?.[1], match?.[2]]
    return module === undefined || path === undefined ? undefined : inside(module, path)
  }
  if (reference.startsWith('//')) return inside(from.module, reference.slice(2))
  return inside(from.module, posix.join(posix.dirname(from.path), reference), reference)
}

function inside(module: string, path: string, asWritten: string = path): Place | undefined {
  if (asWritten.startsWith('/') || asWritten.includes('\0') || asWritten.includes('\\')) return undefined
  const normal = posix.normalize(path === '' ? '.' : path).replace(/\/$/, '')
  if (normal === '..' || normal.startsWith('../') || normal.startsWith('/')) return undefined
  return { module, path: normal }
}

/** The folder that `install_file` and `install_template` of a file read from: `units/app.star` has `units/app/`. */
export function filesFolder(file: Place): string {
  return file.path.replace(/\.star$/, '')
}
