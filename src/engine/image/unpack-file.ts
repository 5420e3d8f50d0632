import { closeSync, constants, fchmodSync, futimesSync, openSync, writeSync } from 'node:fs'
import type { TarEntry } from './tar-read.ts'

const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/**
 * Makes a file of an archive, at a place where nothing is yet. Its content is written as it arrives; it is readable by
 * everybody, and executable by everybody where anybody could execute it.
 */
export async function unpackFile(
  place: Buffer,
  { mode, mtime }: Pick<TarEntry, 'mode' | 'mtime'>,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  const file = openSync(place, flags, 0o600)
  try {
    for await (const chunk of body) {
      for (let done = 0; done < chunk.length; ) done += writeSync(file, chunk, done)
    }
    fchmodSync(file, (mode & 0o111) === 0 ? 0o644 : 0o755)
    futimesSync(file, mtime, mtime)
  } finally {
    closeSync(file)
  }
}
