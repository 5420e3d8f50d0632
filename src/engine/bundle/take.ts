import { createHash } from 'node:crypto'
import { createWriteStream, existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { YoeError } from '../errors.ts'
import type { Reporter } from '../events.ts'
import { step } from '../events.ts'
import { requireSpace, writeFailure } from '../store/disk.ts'
import { distrust, type SealedManifest, type Trust } from '../store/manifest.ts'
import type { Store } from '../store/store.ts'
import { repositoryPlace, unpackCommit } from './commits.ts'
import type { BundleObject } from './document.ts'
import { writtenBytes } from './holes.ts'
import { type Bundle, damaged } from './read.ts'

export interface Taken {
  /** Results that were not here before. */
  readonly results: number
  readonly commits: number
  /** Objects that were not here before, and their bytes. */
  readonly objects: number
  readonly bytes: number
}

/**
 * Takes what a believed bundle holds into a cache: objects first, each only if it is what its digest says, then what names
 * them. Whoever is stopped in the middle has objects that nothing names yet, and goes on where it was the next time.
 *
 * @param path of the bundle, for messages
 * @throws {YoeError} BUNDLE_INVALID, DISK_FULL, CANCELLED
 */
export async function takeBundle(
  store: Store,
  bundle: Bundle,
  path: string,
  { trust, report, signal }: { readonly trust: Trust; readonly report: Reporter; readonly signal: AbortSignal },
): Promise<Taken> {
  const { index } = bundle
  await store.hold()
  const packs = new Set(index.commits.map(({ pack }) => pack))
  const missing: BundleObject[] = []
  for (const object of index.objects)
    if (!packs.has(object.sha256) && (await store.objects.path(object.sha256)) === undefined) missing.push(object)
  const total = missing.reduce((sum, { size }) => sum + size, 0)
  await requireSpace(
    store.root,
    missing.reduce((sum, object) => sum + writtenBytes(object), 0),
  )
  await step(report, `Take ${missing.length} objects`, async (id) => {
    let done = 0
    for (const { sha256, size } of missing) {
      await takeObject(store, bundle, path, sha256, signal)
      done += size
      report({ type: 'step-progress', id, done, total, measure: 'bytes' })
    }
  })
  let commits = 0
  for (const commit of index.commits) {
    stopWhen(signal)
    if (existsSync(join(repositoryPlace(store.root, commit).folder, 'refs', 'yoe', commit.commit))) continue
    await step(report, `Take ${commit.title}`, async () => {
      const pack = store.temp()
      try {
        await writePack(bundle, path, commit.pack, pack)
        const reason = await unpackCommit(store, commit, pack, signal)
        if (reason !== undefined) throw damaged(path, `commit ${commit.commit} of ${commit.title}: ${reason}`)
      } finally {
        await rm(pack, { force: true })
      }
    })
    commits++
  }
  let results = 0
  for (const sealed of index.results) {
    if (await isHere(store, sealed)) continue
    const { signature, ...bare } = sealed
    // What others believe later is what is believed now.
    const signed = signature !== undefined && distrust(sealed, { ...trust, unsigned: false }) === undefined
    await store.record({ ...(signed ? sealed : bare), scope: store.scope })
    results++
  }
  await store.objects.flush()
  return { results, commits, objects: missing.length, bytes: total }
}

async function takeObject(
  store: Store,
  bundle: Bundle,
  path: string,
  sha256: string,
  signal: AbortSignal,
): Promise<void> {
  const { size, content } = bundle.object(sha256)
  try {
    await store.objects.put(stoppable(content(), signal), { sha256, size })
  } catch (failure) {
    if (!(failure instanceof YoeError) || failure.code !== 'DIGEST_MISMATCH') throw failure
    throw damaged(path, `object ${sha256} is damaged`)
  }
}

async function writePack(bundle: Bundle, path: string, sha256: string, dest: string): Promise<void> {
  const sum = createHash('sha256')
  const { content } = bundle.object(sha256)
  const hashed = async function* () {
    for await (const block of content()) {
      sum.update(block)
      // A stream keeps pieces for longer than the reader of blocks leaves them alone.
      yield Buffer.from(block)
    }
  }
  await pipeline(hashed(), createWriteStream(dest, { flags: 'wx' })).catch(async (failure: unknown) => {
    throw await writeFailure(failure, dest)
  })
  if (sum.digest('hex') !== sha256) throw damaged(path, `object ${sha256} is damaged`)
}

/** Whether a result is here with all its files. */
async function isHere(store: Store, { manifest: { arch, hash } }: SealedManifest): Promise<boolean> {
  const known = await store.manifest(arch, hash)
  if (known === undefined) return false
  for (const { sha256 } of known.manifest.files) if ((await store.objects.path(sha256)) === undefined) return false
  return true
}

async function* stoppable(blocks: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const block of blocks) {
    stopWhen(signal)
    yield block
  }
}

function stopWhen({ aborted }: AbortSignal): void {
  if (aborted)
    throw new YoeError('CANCELLED', 'taking the bundle was cancelled', { hint: 'the next import goes on here' })
}
