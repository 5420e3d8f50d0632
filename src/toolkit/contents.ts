import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, statSync, readlinkSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import type { ContentDigests } from '#engine/plan/hash.ts'
import type { Json, Place } from '#engine/project/model.ts'

/** TEMPORARY until source/tree.ts */
export async function readContents(places: readonly Place[], absolute: (place: Place) => string, _cacheRoot: string): Promise<ContentDigests> {
  const digests = new Map<string, Json>()
  for (const place of places) {
    const path = absolute(place)
    digests.set(`${place.module}//${place.path}`, statSync(path).isDirectory() ? walk(path) : createHash('sha256').update(readFileSync(path)).digest('hex'))
  }
  return (place) => digests.get(`${place.module}//${place.path}`) ?? null
}
function walk(root: string, prefix = ''): { [key: string]: Json } {
  const out: { [key: string]: Json } = {}
  for (const name of readdirSync(join(root, prefix)).sort()) {
    const rel = prefix === '' ? name : `${prefix}/${name}`
    const st = lstatSync(join(root, rel))
    if (st.isDirectory()) Object.assign(out, walk(root, rel))
    else if (st.isSymbolicLink()) out[rel] = readlinkSync(join(root, rel))
    else out[rel] = createHash('sha256').update(readFileSync(join(root, rel))).digest('hex')
  }
  return out
}
