import { join } from 'node:path'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import { errorCode } from '#engine/store/disk.ts'
import { lockFile } from '#engine/store/lock.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import { localFile, readText } from './file.ts'
import type { LocalKey } from './settings.ts'
import { readSettings } from './settings.ts'
import type { Assignment, Assignments, Literal } from './syntax.ts'
import { printLiteral } from './syntax.ts'

/**
 * Writes settings into `local.star`, one writer at a time: what others wrote meanwhile stays. Comments above and beside
 * settings stay with them.
 *
 * @param root absolute folder
 * @param changes undefined takes a setting out
 * @returns whether anything changed; nothing is written else
 * @throws {YoeErrors} what is wrong with the file that is there
 */
export async function writeLocal(
  root: string,
  changes: ReadonlyMap<LocalKey, Literal | undefined>,
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    const lock = await lockFile(join(root, `${localFile}.lock`), { signal })
    return await change(root, changes).finally(() => lock.release())
  } catch (failure) {
    const code = errorCode(failure)
    if (!['EROFS', 'EACCES', 'EPERM'].includes(code)) throw failure
    throw new YoeError('PERMISSION', `${join(root, localFile)} can't be written (${code})`, {
      hint: 'settings of this machine are kept there; options of a command need no file',
      cause: failure,
    })
  }
}

async function change(root: string, changes: ReadonlyMap<LocalKey, Literal | undefined>): Promise<boolean> {
  const before = readText(root)
  const wrong = readSettings(before.assignments.filter(({ name }) => !has(changes, name)))
  if (!('settings' in wrong)) throw new YoeErrors(wrong)
  const text = print(before, changes)
  if (text === undefined) return false
  await replaceFile(join(root, localFile), text)
  return true
}

/** Any name: an unknown key is in no change. */
function has(changes: ReadonlyMap<string, unknown>, name: string): boolean {
  return changes.has(name)
}

/** The whole file; undefined when it says so already. */
function print({ assignments, loose }: Assignments, changes: ReadonlyMap<LocalKey, Literal | undefined>) {
  const lines = new Map(assignments.map((assignment) => [assignment.name, printed(assignment)]))
  let changed = false
  for (const [name, value] of changes) {
    const old = assignments.find((assignment) => assignment.name === name)
    if (value === undefined) changed = lines.delete(name) || changed
    else if (old === undefined || printLiteral(old.value) !== printLiteral(value)) {
      changed = true
      lines.set(name, printed({ name, above: [], beside: '', ...old, value }))
    }
  }
  if (!changed) return undefined
  const comments = loose.filter((line) => !header.includes(line))
  const settings = [...lines].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, printedLines]) => printedLines)
  return [...header, ...comments, '', ...settings, ''].join('\n')
}

/** What this very machine's developer chose; nobody else's business, so it is ignored by git. */
const header: readonly string[] = [
  '# What this checkout is built with on this machine; not to be committed.',
  '# Written by yoe config set, which keeps comments above and beside settings.',
]

function printed({ name, value, above, beside }: Omit<Assignment, 'at'>): readonly string[] {
  const comments = above.filter((line) => !header.includes(line))
  return [...comments, `${name} = ${printLiteral(value)}${beside === '' ? '' : `  ${beside}`}`]
}
