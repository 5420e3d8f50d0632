import { type FileHandle, open } from 'node:fs/promises'
import { YoeError } from '../errors.ts'
import {
  decodeManifest,
  distrust,
  encodeManifest,
  maxManifestBytes,
  type SealedManifest,
  type Trust,
  type UnitFile,
} from './manifest.ts'
import { blocksOf, readBlocks } from './objects.ts'
import type { Store } from './store.ts'

/*
 * One unit as one file, for stores where a request costs more than a byte: a line that names the format, a line with the
 * manifest's length, the manifest, and the files' contents in its order, each digest once. No names, no compression.
 */
const head = 'yoe-unit/1\n'
const headBytes = head.length + '00000000\n'.length

/**
 * Writes a unit's entry.
 *
 * @throws {YoeError} STORE_DAMAGED when an object that the manifest lists is not (or no longer) in the store
 */
export async function packUnit(store: Store, sealed: SealedManifest, dest: string): Promise<void> {
  const manifest = encodeManifest(sealed)
  const file = await open(dest, 'w', 0o644)
  try {
    await file.writeFile(`${head}${String(manifest.length).padStart(8, '0')}\n`)
    await file.writeFile(manifest)
    for (const { name, sha256 } of distinct(sealed.manifest.files)) {
      const path = await store.objects.path(sha256)
      if (path === undefined)
        throw new YoeError('STORE_DAMAGED', `${name} of ${sealed.manifest.unit} is missing in ${store.root}`)
      await file.writeFile(readBlocks(path))
    }
  } finally {
    await file.close()
  }
}

/**
 * Takes a unit's entry that came from elsewhere into the store, objects first, if `trust` allows.
 *
 * @returns what is now recorded in the store, or why the entry is not used
 * @throws {YoeError} DISK_FULL, PERMISSION
 */
export async function unpackUnit(
  store: Store,
  path: string,
  arch: string,
  hash: string,
  trust: Trust,
): Promise<SealedManifest | string> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const start = await readExactly(file, 0, headBytes)
    const length = Number(/^(\d{8})\n$/.exec(start.toString('latin1', head.length))?.[1])
    if (start.toString('latin1', 0, head.length) !== head || Number.isNaN(length)) return 'it is no yoe-unit/1 entry'
    if (length > maxManifestBytes) return 'its manifest is too large'
    const sealed = decodeManifest(await readExactly(file, headBytes, length), arch, hash)
    if (typeof sealed === 'string') return sealed
    const doubt = distrust(sealed, trust)
    if (doubt !== undefined) return doubt
    const files = distinct(sealed.manifest.files)
    const whole = headBytes + length + files.reduce((sum, { size }) => sum + size, 0)
    if (size !== whole) return `it has ${size} bytes, its manifest says ${whole}`
    const reason = await takeObjects(store, file, headBytes + length, files)
    if (reason !== undefined) return reason
    const scope = distrust(sealed, { ...trust, unsigned: false }) === undefined ? 'trusted' : 'untrusted'
    const local = { ...sealed, scope } as const
    await store.record(local)
    return local
  } finally {
    await file.close()
  }
}

async function takeObjects(
  store: Store,
  file: FileHandle,
  start: number,
  files: readonly UnitFile[],
): Promise<string | undefined> {
  let at = start
  for (const { name, sha256, size } of files) {
    try {
      if ((await store.objects.path(sha256)) === undefined)
        await store.objects.put(blocksOf(file, at, size), { sha256, size })
    } catch (failure) {
      if (failure instanceof YoeError && failure.code === 'DIGEST_MISMATCH')
        return `the content of ${name} is not what its manifest says`
      throw failure
    }
    at += size
  }
  return undefined
}

/** Each content once; two files of one digest but different sizes stay two, and the second then fails. */
function distinct(files: readonly UnitFile[]): readonly UnitFile[] {
  return [...new Map(files.map((file) => [`${file.sha256}:${file.size}`, file])).values()]
}

/** Shorter where the file ends. */
async function readExactly(file: FileHandle, start: number, length: number): Promise<Buffer> {
  const blocks: Buffer[] = []
  for await (const block of blocksOf(file, start, length)) blocks.push(Buffer.from(block))
  return Buffer.concat(blocks)
}
