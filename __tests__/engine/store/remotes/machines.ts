/** Machines that share one unit. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { entryName, UnitCache } from '../../../../src/engine/store/cache.ts'
import type { Trust } from '../../../../src/engine/store/manifest.ts'
import type { RemoteStore } from '../../../../src/engine/store/remote.ts'
import { DirectoryStore } from '../../../../src/engine/store/remotes/dir.ts'
import { generateCacheKey, parseCacheKey, parseCacheSigner } from '../../../../src/engine/store/signing.ts'
import { bytes, manifestOf, type Scratch, sha, someHash } from '../fixture.ts'
import type { Backend } from './backends.ts'

const pair = generateCacheKey()
const signer = parseCacheSigner(pair.privateKey)
const trust: Trust = { keys: [parseCacheKey(pair.publicKey)], unsigned: false }
// Not to be compressed, so that each byte of the entry counts.
export const content = Buffer.from(Array.from({ length: 900 }, (_, index) => sha(`${index}`)).join(''), 'hex')
export const manifest = manifestOf({ 'app.deb': content, 'app.log': 'built' })
export const name = entryName('x86_64', someHash)

export async function cacheOf(scratch: Scratch, machine: string, remotes: readonly RemoteStore[]) {
  const store = await scratch.store(machine)
  return { store, cache: new UnitCache({ store, remotes, trust, signer, report: scratch.report }) }
}

/** A machine that built the unit sends it; web servers get the file that a folder holds. */
export async function publish(scratch: Scratch, backend: Backend): Promise<void> {
  const folder = new DirectoryStore(`${scratch.path}/folder`)
  const { store, cache } = await cacheOf(scratch, 'builder', [folder, backend.open()])
  for (const file of [content, 'built']) await store.objects.put(bytes(file))
  await cache.save(manifest)
  if ((await backend.open().has([name])).size > 0) return
  mkdirSync(dirname(backend.fileOf(name)), { recursive: true })
  writeFileSync(backend.fileOf(name), readFileSync(`${scratch.path}/folder/${name}`))
}
