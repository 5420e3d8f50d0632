/** What somebody can put into a shared cache who may write to its storage, and has no key that the project names. */
import { zstdCompressSync } from 'node:zlib'
import { encodeManifest, type SealedManifest, seal } from '../../../src/engine/store/manifest.ts'
import { type CacheSigner, generateCacheKey, parseCacheSigner } from '../../../src/engine/store/signing.ts'
import { manifestOf, sha } from './fixture.ts'

const fresh = (): CacheSigner => parseCacheSigner(generateCacheKey().privateKey)
/** The project's key, and somebody else's. */
export const [ours, stranger] = [fresh(), fresh()]

export const text = 'the package'
export const manifest = manifestOf({ 'app.deb': text })

/** An entry as {@link UnitCache} reads it. */
export function entry(sealed: SealedManifest, content: string | Buffer = text): Buffer {
  const encoded = encodeManifest(sealed)
  return Buffer.concat([
    Buffer.from(`yoe-unit/1\n${String(encoded.length).padStart(8, '0')}\n`),
    encoded,
    zstdCompressSync(Buffer.from(content)),
  ])
}

const olderManifest = manifestOf({ 'app.deb': text }, { hash: sha('the unit as it was'), inputs: { version: '0' } })

/** Entries of someHash, and what is said of each. */
export const attacks: readonly { readonly name: string; readonly entry: Buffer; readonly want: RegExp }[] = [
  { name: 'G1 unsigned', entry: entry(seal(manifest, 'trusted', undefined)), want: /nobody signed it/ },
  { name: 'G1 signed by another project', entry: entry(seal(manifest, 'trusted', stranger)), want: /does not name/ },
  {
    name: 'G1 wrongly signed',
    entry: entry({ ...seal(manifest, 'trusted', ours), manifest: { ...manifest, unit: 'evil' } }),
    want: /signature by key .* is wrong/,
  },
  {
    name: 'G1 signed by a stranger in our name',
    entry: entry({
      ...seal(manifest, 'trusted', stranger),
      signature: { key: ours.keyId, value: seal(manifest, 'trusted', stranger).signature?.value ?? '' },
    }),
    want: /signature by key .* is wrong/,
  },
  {
    name: 'G1 swapped: ours, of another unit',
    entry: entry(seal({ ...manifest, hash: sha('x') }, 'trusted', ours)),
    want: /another unit/,
  },
  {
    name: 'G1 swapped: ours, of another architecture',
    entry: entry(seal({ ...manifest, arch: 'arm64' }, 'trusted', ours)),
    want: /another unit/,
  },
  {
    name: 'G1 replayed: ours, of before the change',
    entry: entry(seal(olderManifest, 'trusted', ours)),
    want: /another unit/,
  },
  {
    name: 'G2 ours, with other content',
    entry: entry(seal(manifest, 'trusted', ours), 'the implant'),
    want: /is not what its manifest says/,
  },
  {
    name: 'G2 ours, without content',
    entry: entry(seal(manifest, 'trusted', ours), ''),
    want: /is not what its manifest says/,
  },
  {
    name: 'G2 ours, with more content',
    entry: entry(seal(manifest, 'trusted', ours), `${text}!`),
    want: /goes on where its manifest ends/,
  },
  {
    name: 'G2 a bomb of zeros behind ours',
    entry: entry(seal(manifest, 'trusted', ours), Buffer.concat([Buffer.from(text), Buffer.alloc(2 ** 27)])),
    want: /goes on where its manifest ends/,
  },
]
