import { devicePath, plainName } from '../names.ts'
import type { Reader } from '../readers.ts'
import { dict, Mismatch, named } from '../readers.ts'

/** Where a root has what its programs are made of, and where a run has its own: a folder over it would hide that. */
const taken = /^\/(?:usr|bin|sbin|lib[^/]*|etc|var|proc|dev|sys|run|boot|tmp|build)(?:\/|$)/
/** Of these, where tools keep caches by themselves: `$HOME` is /build/home. */
const free = /^\/(?:var\/cache|build\/home)\//

const read = dict(named(devicePath), named(plainName))

/** `cache_dirs`: absolute folder of the sandbox to the name of the cache that is there. */
export const cacheDirs: Reader<Readonly<Record<string, string>>> = (value) => {
  const folders = read(value)
  for (const path of Object.keys(folders)) {
    if (taken.test(path) && !free.test(path)) {
      throw new Mismatch(`would hide folders of the sandbox behind ${path}; take one such as "/cache/go"`)
    }
    const outer = Object.keys(folders).find((other) => path.startsWith(`${other}/`))
    if (outer !== undefined) throw new Mismatch(`has ${path} inside ${outer}: name folders beside each other`)
  }
  return folders
}
