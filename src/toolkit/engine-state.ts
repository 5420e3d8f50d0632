import { createHash } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { version } from '#engine/version.ts'

/** What decides how `.star` files are read, in a clone of this repository. */
const folders = [
  '../engine/project',
  '../engine/project/builtins',
  '../engine/modules',
  '../feeds/alpine',
  '../feeds/debian',
  '../feeds/shared',
  '../../packages/starlark-wasm',
  '../../packages/starlark-wasm/src',
]

/**
 * Changes whenever this tool may read a project otherwise than before: with its version, and in a clone, which is updated
 * without a new one, with its files. Reads no file.
 */
export function engineState(): string {
  const state = createHash('sha256').update(version)
  const add = (path: string): void => {
    const { mtimeMs, size } = statSync(path)
    state.update(`\n${path} ${size} ${mtimeMs}`)
  }
  const here = import.meta.dirname
  add(import.meta.filename)
  for (const folder of folders) {
    for (const name of list(join(here, folder))) if (/\.(?:ts|wasm)$/.test(name)) add(join(here, folder, name))
  }
  return state.digest('hex')
}

/** In a bundle, whose only file is this one, none are there. */
function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}
