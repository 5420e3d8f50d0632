import { YoeError } from '../errors.ts'

/** In bytes, as Linux has it. @see limits.h, PATH_MAX */
export const longestPath = 4096
const deepest = 64

/**
 * Where something in an archive belongs, without `./` and `/` around it; names are as tar writes them: `./usr/bin/`. Anything
 * but a plain path below the root is refused, not cleaned up.
 *
 * @param name one character for each byte
 * @throws {YoeError} ARCHIVE_UNSAFE
 */
export function cleanPath(name: string, isFolder: boolean, archive: string): string {
  const refuse = (why: string): YoeError => unsafe(archive, `the name ${shown(name)}, which ${why}`)
  if (name.includes('\0')) throw refuse('holds a zero byte')
  if (name.length >= longestPath) throw refuse('is too long')
  let path = name === '.' ? './' : name
  if (path.startsWith('./')) path = path.slice(2)
  if (path.endsWith('/') && isFolder) path = path.slice(0, -1)
  if (path === '') {
    if (!isFolder || !name.startsWith('.')) throw refuse('is empty')
    return path
  }
  const parts = path.split('/')
  if (parts.length > deepest) throw refuse('is too deep')
  for (const part of parts) {
    if (part === '' || part === '.' || part === '..') throw refuse('is no plain path below the root')
    if (part.length > 255) throw refuse('has a part of more than 255 bytes')
  }
  return path
}

/** A name or value from an archive, safe to print. */
export const shown = (name: string): string => JSON.stringify(Buffer.from(name, 'latin1').toString('utf8'))

export function unsafe(archive: string, what: string): YoeError {
  return new YoeError('ARCHIVE_UNSAFE', `${archive} holds ${what}`, {
    hint: 'it is damaged, or made to harm; it was not used',
  })
}
