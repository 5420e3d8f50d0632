import { existsSync, realpathSync } from 'node:fs'
import { posix, resolve } from 'node:path'
import type { ModulePlace, ModuleReference } from './reference.ts'

/** Whoever lists modules: the project, or a module. */
export interface Asker {
  /** Absolute folder that local folders are relative to. */
  readonly root: string
  /** Undefined for the project. */
  readonly from: ModulePlace | undefined
}

/**
 * A reference that means the same wherever it is read: a local folder becomes absolute, links resolved; that of a module
 * from a repository becomes another folder of the same repository.
 *
 * @returns undefined when it leads out of the repository: what is fetched says nothing about this machine
 */
export function anchor(reference: ModuleReference, asker: Asker): ModuleReference | undefined {
  const { from } = reference
  if (from.kind !== 'local') return reference
  if (asker.from?.kind !== 'git') {
    const folder = resolve(asker.root, from.folder)
    return { ...reference, from: { kind: 'local', folder: existsSync(folder) ? realpathSync(folder) : folder } }
  }
  const path = posix.normalize(posix.join(asker.from.path, from.folder)).replace(/\/$/, '')
  if (from.folder.startsWith('/') || path === '..' || path.startsWith('../')) return undefined
  return { ...reference, from: { ...asker.from, path: path === '.' ? '' : path } }
}
