import { open } from 'node:fs/promises'
import { blocksOf } from '../store/objects.ts'
import type { CacheSigner } from '../store/signing.ts'
import type { BundleIndex, BundleObject } from './document.ts'
import { encodeIndex, maxIndexBytes, scheme } from './document.ts'
import { dataRuns, holesOf } from './holes.ts'

/*
 * A bundle is a line that names the format, a line with the length of the index, the index, a line with who signed that,
 * and the objects in the index's order, without what is zeros in them: nothing else, and no names of files. Nothing is
 * compressed, since packages, archives and roots are; so its bytes depend on no library, its length is known from its
 * index, and whoever has an object already skips it.
 */
const head = `${scheme}\n`
export const lengthDigits = 12

/** What of a signed bundle is signed. */
export function signedBytes(index: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(head), index])
}

/** What a bundle says of an object. @param path of its content */
export async function describeObject(sha256: string, path: string): Promise<BundleObject> {
  const file = await open(path, 'r')
  try {
    return { sha256, size: (await file.stat()).size, holes: await holesOf(file) }
  } finally {
    await file.close()
  }
}

/**
 * Writes a bundle, an object at a time.
 *
 * @param dest a path that nothing has yet
 * @param pathOf where the content of an object lies, verified
 * @param progress told how many of how many bytes of objects are written
 * @returns bytes
 */
export async function writeBundle(
  dest: string,
  index: BundleIndex,
  signer: CacheSigner | undefined,
  pathOf: (sha256: string) => Promise<string>,
  progress: (done: number, total: number) => void,
): Promise<number> {
  const text = encodeIndex(index)
  if (text.length > maxIndexBytes) throw new RangeError(`an index of ${text.length} bytes`)
  const by = signer === undefined ? 'unsigned\n' : `${signer.publicKey} ${signer.sign(signedBytes(text))}\n`
  const file = await open(dest, 'wx', 0o644)
  try {
    await file.writeFile(`${head}${String(text.length).padStart(lengthDigits, '0')}\n`)
    await file.writeFile(text)
    await file.writeFile(by)
    const objects = index.objects.toSorted((a, b) => (a.sha256 < b.sha256 ? -1 : 1))
    const total = objects.reduce((sum, { size }) => sum + size, 0)
    let done = 0
    for (const object of objects) {
      const content = await open(await pathOf(object.sha256), 'r')
      try {
        for (const [start, length] of dataRuns(object))
          for await (const block of blocksOf(content, start, length)) await file.writeFile(block)
      } finally {
        await content.close()
      }
      done += object.size
      progress(done, total)
    }
    await file.sync()
    return (await file.stat()).size
  } finally {
    await file.close()
  }
}
