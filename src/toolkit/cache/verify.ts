import { existsSync, lstatSync } from 'node:fs'
import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { changedTrees } from '#engine/build/tree-record.ts'
import type { Reporter } from '#engine/events.ts'
import { silent, step } from '#engine/events.ts'
import { inParallel } from '#engine/in-parallel.ts'
import { markedSources } from '#engine/source/marks.ts'
import type { SealedManifest, Trust } from '#engine/store/manifest.ts'
import { distrust, isDigest } from '#engine/store/manifest.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { Store } from '#engine/store/store.ts'
import { tempName } from '#engine/store/temp.ts'

/** Hashing takes a processor, reading the disk. */
const atOnce = 4

/** Something that is not what it was. */
export interface Damage {
  readonly what: 'result' | 'object' | 'root' | 'tree' | 'entry'
  /** Of an object its digest, of others what they are called in the cache. */
  readonly name: string
  /** Units and sources that it belongs to. */
  readonly of: readonly string[]
  readonly why: string
}

export interface Verified {
  /** How many of each were read. */
  readonly results: number
  readonly objects: number
  readonly roots: number
  readonly trees: number
  /** Bytes of the objects. */
  readonly bytes: number
  readonly damaged: readonly Damage[]
}

export interface VerifyOptions {
  readonly cacheRoot: string
  readonly trust: Trust
  readonly report: Reporter
  readonly signal: AbortSignal
}

/**
 * Reads every byte of what the cache of this machine holds, whatever times files have, and sets aside what is damaged, so
 * that the next build mends it. Unpacked roots and packages are told by what the file system says of their files. Builds may
 * go on meanwhile.
 *
 * @throws {YoeError} CANCELLED
 */
export async function verifyStore({ cacheRoot, trust, report, signal }: VerifyOptions): Promise<Verified> {
  // It has what this process has not hashed yet, and tells nothing twice.
  const store = await Store.open(cacheRoot, { report: silent })
  const owners = new Map<string, Set<string>>()
  const own = (sha256: string, name: string): unknown => owners.set(sha256, (owners.get(sha256) ?? new Set()).add(name))
  const results = await step(report, 'Verify results', () => verifyResults(store, trust, own))
  for (const { id, title } of await markedSources(store.root))
    if (id.startsWith('archive-')) own(id.slice('archive-'.length), title)
  const objects = await step(report, 'Verify objects', (id) =>
    verifyObjects(store, { id, report, signal }, (sha256) => [...(owners.get(sha256) ?? [])].toSorted()),
  )
  const roots = await step(report, 'Verify roots', () => verifyTrees(store, 'roots', signal))
  const trees = await step(report, 'Verify unpacked packages', () => verifyTrees(store, 'unpacked', signal))
  return {
    results: results.count,
    objects: objects.count,
    roots: roots.count,
    trees: trees.count,
    bytes: objects.bytes,
    damaged: [...results.damaged, ...objects.damaged, ...roots.damaged, ...trees.damaged],
  }
}

interface Checked {
  readonly count: number
  readonly damaged: readonly Damage[]
}

async function verifyResults(
  store: Store,
  trust: Trust,
  own: (sha256: string, name: string) => unknown,
): Promise<Checked> {
  const damaged: Damage[] = []
  let count = 0
  for await (const { arch, hash, path, sealed } of store.entries()) {
    count++
    const why = typeof sealed === 'string' ? sealed : forged(sealed, trust)
    if (why !== undefined) {
      const of = typeof sealed === 'string' ? [] : [sealed.manifest.unit]
      damaged.push({ what: 'result', name: `${arch}/${hash}`, of, why })
      await setAside(store, path)
    }
    if (typeof sealed !== 'string') for (const { sha256 } of sealed.manifest.files) own(sha256, sealed.manifest.unit)
  }
  return { count, damaged }
}

/** A signature by a key that is known and did not make it; who else signed, nobody here can tell. */
function forged(sealed: SealedManifest, { keys }: Trust): string | undefined {
  const key = keys.find(({ id }) => id === sealed.signature?.key)
  return key === undefined ? undefined : distrust(sealed, { keys: [key], unsigned: false })
}

async function verifyObjects(
  store: Store,
  { id, report, signal }: { readonly id: string } & Pick<VerifyOptions, 'report' | 'signal'>,
  ownersOf: (sha256: string) => readonly string[],
): Promise<Checked & { readonly bytes: number }> {
  const names: string[] = []
  for await (const name of store.objects.list()) names.push(name)
  const damaged: Damage[] = []
  const sizes = names.map((name) => lstatSync(objectPath(store.root, name), { throwIfNoEntry: false })?.size ?? 0)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  let done = 0
  const jobs = names.map((name, index) => ({ name, size: sizes[index] ?? 0 }))
  await inParallel(atOnce, jobs, async ({ name, size }) => {
    signal.throwIfAborted()
    const place = objectPath(store.root, name)
    const there = lstatSync(place, { throwIfNoEntry: false })
    const good = isDigest(name) && there?.isFile() === true && (await store.objects.path(name)) !== undefined
    if (!good && there !== undefined) {
      const why = isDigest(name) ? 'its content is not what its name says' : 'its name is not that of an object'
      damaged.push({ what: 'object', name, of: ownersOf(name), why })
      // Where what is wrong is not its content, nobody did so yet.
      if (lstatSync(place, { throwIfNoEntry: false }) !== undefined) await setAside(store, place)
    }
    done += size
    report({ type: 'step-progress', id, done, total, measure: 'bytes' })
  })
  return { count: names.length, bytes: total, damaged }
}

async function verifyTrees(store: Store, folder: 'roots' | 'unpacked', signal: AbortSignal): Promise<Checked> {
  const home = join(store.root, folder)
  const names = (await readdir(home).catch(() => [])).filter(isDigest)
  const record = (name: string) =>
    folder === 'roots'
      ? { tree: name, record: `${name}.tree`, lock: `root-${name}`, time: 'changed' as const }
      : {
          tree: join(name, 'tree'),
          record: join(name, 'tree.sum'),
          lock: `unpacked-${name}`,
          time: 'modified' as const,
        }
  const damaged: Damage[] = []
  await inParallel(2, names, async (name) => {
    signal.throwIfAborted()
    const { lock, time, ...tree } = record(name)
    await using _alone = await store.lock(lock, { signal })
    if (!existsSync(join(home, name))) return
    if ((await changedTrees(home, [tree], time)).length === 0) return
    damaged.push({
      what: folder === 'roots' ? 'root' : 'tree',
      name,
      of: [],
      why: 'it is not as it was unpacked',
    })
    // A build may use it: it is removed when this process has ended.
    await rename(join(home, name), store.temp())
  })
  return { count: names.length, damaged }
}

async function setAside(store: Store, path: string): Promise<void> {
  await mkdir(join(store.root, 'damaged'), { recursive: true })
  await rename(path, join(store.root, 'damaged', tempName())).catch(() => {})
}
