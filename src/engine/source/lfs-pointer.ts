import { YoeError } from '../errors.ts'

/** A file that a repository holds elsewhere. */
export interface LfsPointer {
  /** SHA-256 of the content, lowercase hex. */
  readonly oid: string
  /** Bytes. */
  readonly size: number
}

/** No pointer is longer. */
export const longestPointer = 1024

/**
 * What a file that Git LFS is asked for holds; undefined when it holds itself.
 * @throws {YoeError} ARCHIVE_UNSAFE for one that means another file than this version can tell
 * @see git-lfs, docs/spec.md
 */
export function parsePointer(text: string, path: string): LfsPointer | undefined {
  if (!/^version https:\/\/(git-lfs|hawser)\.github\.com\/spec\/v1\n/.test(text)) return undefined
  const [, oid, size] = /\noid sha256:([0-9a-f]{64})\nsize (\d{1,15})\n$/.exec(text) ?? []
  if (oid === undefined || text.split('\n').length !== 4) {
    throw new YoeError('ARCHIVE_UNSAFE', `${JSON.stringify(path)} is a pointer of Git LFS that can't be read`, {
      hint: 'lfs = False takes such files as they are',
    })
  }
  return { oid, size: Number(size) }
}
