import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import { errorCode } from '#engine/store/disk.ts'
import type { Local } from './settings.ts'
import { readSettings } from './settings.ts'
import type { Assignments } from './syntax.ts'
import { parseAssignments } from './syntax.ts'

/** The file's name, beside PROJECT.star; also how errors call it. */
export const localFile = 'local.star'

const largest = 1 << 20

/**
 * What `local.star` of a project says; nothing where there is none.
 * @param root absolute folder
 * @throws {YoeErrors} everything that is wrong with it
 */
export function readLocal(root: string): Local {
  const found = readSettings(readText(root).assignments)
  if ('settings' in found) return found
  throw new YoeErrors(found)
}

/** The file's assignments, unchecked. @throws {YoeError} */
export function readText(root: string): Assignments {
  const path = join(root, localFile)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (failure) {
    const code = errorCode(failure)
    if (code === 'ENOENT') return { assignments: [], loose: [] }
    throw new YoeError('PERMISSION', `${path} can't be read (${code})`, {
      hint: 'remove it, or make it a readable file',
    })
  }
  if (text.length > largest) throw new YoeError('STAR_LIMIT', `${localFile} is larger than ${largest} bytes`)
  return parseAssignments(localFile, text)
}
