/** Bundles of a few small things, right and wrong ones. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BundleIndex } from '#engine/bundle/document.ts'
import { encodeIndex } from '#engine/bundle/document.ts'
import { describeObject, signedBytes, writeBundle } from '#engine/bundle/write.ts'
import type { UnitManifest } from '#engine/store/manifest.ts'
import { seal } from '#engine/store/manifest.ts'
import { type CacheSigner, generateCacheKey, parseCacheSigner } from '#engine/store/signing.ts'
import { bytes, manifestOf, type Scratch, sha } from '../store/fixture.ts'

export const freshSigner = (): CacheSigner => parseCacheSigner(generateCacheKey().privateKey)

/** A disk: data, a hole, data, a hole that ends in the middle of a block. */
export const disk = Buffer.concat([
  Buffer.from('boot'),
  Buffer.alloc(300_000),
  randomBytes(70_000),
  Buffer.alloc(400_001),
])
export const archive = Buffer.from('the sources')
export const list = Buffer.from('Package: app\n')

export const results: readonly UnitManifest[] = [
  manifestOf({ 'app.deb': 'the package' }),
  manifestOf({ 'disk.img': disk, 'app.deb': 'the package' }, { unit: 'small', hash: sha('the image') }),
]

/** What a project of one unit and one image has; `more` replaces parts. */
export async function indexOf(
  scratch: Scratch,
  signer: CacheSigner | undefined,
  more: Partial<BundleIndex> = {},
): Promise<BundleIndex> {
  const store = await scratch.store('maker')
  const contents = ['the package', disk, archive, list]
  for (const content of contents) await store.objects.put(bytes(content))
  const objects = await Promise.all(
    contents.map(async (content) => describeObject(sha(content), (await store.objects.path(sha(content))) ?? '')),
  )
  return {
    project: 'demo',
    targets: [{ name: 'small', machine: 'board', distro: 'debian' }],
    lock: '',
    results: results.map((manifest) => seal(manifest, 'trusted', signer)),
    commits: [],
    files: [{ use: 'archive', title: 'app-1.0.tar.gz', sha256: sha(archive) }],
    lists: [{ feed: 'debian.main', distro: 'debian', text: '', files: [sha(list)] }],
    objects,
    ...more,
  }
}

/** Writes a bundle from the objects that {@link indexOf} put; @returns its path */
export async function bundleOf(
  scratch: Scratch,
  index: BundleIndex,
  signer: CacheSigner | undefined,
  name = 'demo.bundle',
): Promise<string> {
  const store = await scratch.store('maker')
  const path = join(scratch.path, name)
  const pathOf = async (sha256: string): Promise<string> => (await store.objects.path(sha256)) ?? ''
  await writeBundle(path, index, signer, pathOf, () => {})
  return path
}

/** Writes a bundle with an index as it is said here, well signed, whatever it says. */
export function planted(scratch: Scratch, text: string | Buffer, body: Buffer, signer: CacheSigner): string {
  const path = join(scratch.path, 'planted.bundle')
  const index = Buffer.from(text)
  const signature = `${signer.publicKey} ${signer.sign(signedBytes(index))}\n`
  const head = `yoe-bundle/1\n${String(index.length).padStart(12, '0')}\n`
  writeFileSync(path, Buffer.concat([Buffer.from(head), index, Buffer.from(signature), body]))
  return path
}

/** The index as a document that can be changed. */
export function documentOf(index: BundleIndex): Record<string, unknown> {
  return JSON.parse(encodeIndex(index).toString())
}
